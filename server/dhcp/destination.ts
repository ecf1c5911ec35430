import type { Ipv4 } from "../lib/ipv4.ts";
import { type DhcpPacket, noAddress } from "./packet.ts";

/** Where a reply goes; server.ts knows which ports these are. */
export type Destination = { address: Ipv4; port: "server" | "client" };

const broadcast = "255.255.255.255" as Ipv4;

/**
 * Where a reply goes (RFC 2131 section 4.1): to the relay that forwarded the request; to the client's own address when
 * it has one; to everybody otherwise. The RFC lets a server send to the offered address where the broadcast flag is
 * clear, but the client does not answer ARP for it yet: that takes a raw socket or an entry written into the kernel's
 * neighbour table. Every client listens for broadcasts, so that is what it gets.
 */
export function destinationOf(type: "OFFER" | "ACK" | "NAK", request: DhcpPacket): Destination {
  if (request.giaddr !== noAddress) return { address: request.giaddr, port: "server" };
  // An OFFER goes to somebody who is looking for an address, whatever it wrote into `ciaddr`.
  if (type === "ACK" && request.ciaddr !== noAddress) return { address: request.ciaddr, port: "client" };
  return { address: broadcast, port: "client" };
}
