import { setTimeout as sleep } from "node:timers/promises";
import type { Ipv4 } from "../lib/ipv4.ts";
import { deviceUdpSocket } from "../net/device-socket.ts";

/** How to ask for an address, and who offered one; undefined: that was no offer for us. */
export type DhcpQuestion = {
  discover: Uint8Array;
  serverOf: (bytes: Uint8Array) => Ipv4 | undefined;
};

export type QuestionPlace = {
  device: string;
  clientPort: number;
  /** Where all DHCP servers listen: the broadcast address, port 67 (RFC 2131 section 4.1). */
  server: { address: Ipv4; port: number };
};

/** Every server that offers an address on this wire within some seconds. The offers are not taken up. */
export async function otherDhcpServers(
  { device, clientPort, server }: QuestionPlace,
  { discover, serverOf }: DhcpQuestion,
  { waitMs, attempts }: { waitMs: number; attempts: number },
): Promise<readonly Ipv4[]> {
  const socket = await deviceUdpSocket({ device, address: "0.0.0.0" as Ipv4, port: clientPort });
  const found = new Set<Ipv4>();
  socket.on("message", (bytes) => {
    const address = serverOf(bytes);
    if (address !== undefined) found.add(address);
  });
  socket.on("error", () => undefined); // the wire is down: nobody answers
  try {
    for (let attempt = 0; attempt < attempts && found.size === 0; attempt += 1) {
      socket.send(discover, server.port, server.address);
      await sleep(waitMs);
    }
  } finally {
    socket.close();
  }
  return [...found];
}
