import { once } from "node:events";
import { readFileSync } from "node:fs";
import { errnoOf } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import { deviceUdpSocket } from "../net/device-socket.ts";
import type { Wire } from "./transfer-session.ts";

export type WireHandlers = {
  onDatagram: (bytes: Uint8Array) => void;
  /** ICMP: nobody listens at the client's port. */
  onPortClosed: () => void;
  /** A datagram could not be sent or received; the transfer's timer makes up for it. */
  onError: (error: Error) => void;
};

/**
 * A socket of its own for one transfer (RFC 1350 section 4), bound to the device and connected to the client's port:
 * the kernel turns away every other sender, and tells when the client's port is closed.
 */
export async function openWire(
  place: { device: string; address: Ipv4 },
  peer: { address: Ipv4; port: number },
  handlers: WireHandlers,
): Promise<Wire> {
  const socket = await deviceUdpSocket({ ...place, port: 0 });
  let closed = false;
  socket.on("error", (error) => {
    if (closed) return;
    if (errnoOf(error) === "ECONNREFUSED") handlers.onPortClosed();
    else handlers.onError(error);
  });
  socket.on("message", (bytes) => {
    if (!closed) handlers.onDatagram(bytes);
  });
  const close = () => {
    if (closed) return;
    closed = true;
    socket.close();
  };
  try {
    const connected = once(socket, "connect");
    socket.connect(peer.port, peer.address);
    await connected;
  } catch (error) {
    close();
    throw error;
  }
  return { send: (datagram) => socket.send(datagram), close };
}

/** IP and UDP headers, and TFTP's own four bytes. */
const headerBytes = 20 + 8 + 4;

/** The largest block that travels in one frame of the device: 1468 bytes on plain Ethernet. */
export function frameBlockBytes(device: string): number {
  return Math.min(65464, mtuOf(device) - headerBytes);
}

function mtuOf(device: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${device}/mtu`, "utf8"));
  } catch {
    return 1500; // /sys shows another network namespace
  }
}
