import { setTimeout as delay } from "node:timers/promises";
import { encode } from "../../server/dhcp/encode.ts";
import { option, optionOf } from "../../server/dhcp/option-table.ts";
import { messageTypeNames } from "../../server/dhcp/option-values.ts";
import { type DhcpPacket, noAddress } from "../../server/dhcp/packet.ts";
import type { Ipv4 } from "../../server/lib/ipv4.ts";
import { deviceUdpSocket } from "../../server/net/device-socket.ts";
import { ask, ip } from "./dhcp-scene.ts";

/**
 * Clients of every sort, in a network namespace with an address: each sends every message type, to port 67 of everybody
 * and to port 4011 of the head. `node dhcp-noise-driver.ts CLIENTS [foreign]`; `foreign`: only what comes from networks
 * that are not the head's, by relay or by address.
 */
const clients = Number(process.argv[2]);
const isForeign = process.argv[3] === "foreign";
const head = ip("10.77.0.1");
const router = ip("10.77.0.254");
const classes = ["PXEClient:Arch:00007:UNDI:003016", "PXEClient", "HTTPClient:Arch:00016", "MSFT 5.0"];
const architectures = [0, 7, 16, 11, 6];

function packetsOf(client: number): DhcpPacket[] {
  const octet = client % 254;
  return messageTypeNames.map((type, index) => {
    const turn = client + index;
    const options = [
      optionOf(option.vendorClass, classes[turn % classes.length] ?? ""),
      optionOf(option.architectures, [architectures[turn % architectures.length] ?? 0]),
      ...(turn % 3 === 0 ? [optionOf(option.userClass, ["iPXE"])] : []),
      ...(turn % 2 === 0 ? [optionOf(option.requestedIp, ip(`10.77.0.${octet}`))] : []),
      ...(turn % 5 === 0 ? [optionOf(option.serverId, turn % 2 === 0 ? head : router)] : []),
    ];
    const address = isForeign
      ? foreign(type, octet)
      : turn % 4 === 0
        ? { ciaddr: ip(`10.77.0.${octet}`) }
        : {};
    const tail = (client + 1).toString(16).padStart(4, "0");
    return ask(type, { mac: `02:00:00:00:${tail.slice(0, 2)}:${tail.slice(2)}`, options, ...address });
  });
}

/** A relay of another network; an INFORM may also come from a machine that has an address of one. */
function foreign(type: string, octet: number): { ciaddr?: Ipv4; giaddr?: Ipv4 } {
  if (type === "INFORM") return { ciaddr: ip(`10.99.0.${octet}`) };
  return { giaddr: ip("10.99.0.1") };
}

const socket = await deviceUdpSocket({ device: "eth0", address: noAddress, port: 68 });
const everybody = ip("255.255.255.255");
let sent = 0;
for (let client = 0; client < clients; client += 1) {
  for (const packet of packetsOf(client)) {
    const { bytes } = encode(packet);
    socket.send(bytes, 67, everybody);
    if (!isForeign) socket.send(bytes, 4011, head);
    sent += 1;
  }
  // The kernel's receive buffer of the other end is not to be tested here.
  if (client % 10 === 9) await delay(2);
}
await delay(100);
socket.close();
process.stdout.write(`${sent}\n`);
