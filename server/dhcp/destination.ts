import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { DhcpRequest } from "./client.ts";
import { broadcastFlag, noAddress } from "./packet.ts";

/**
 * Where a reply goes; server.ts knows which ports these are. With a `mac`: the address is being given to the machine that has
 * this one, and it does not answer ARP for it yet.
 */
export type Destination = { address: Ipv4; port: "server" | "client"; mac?: Mac };

/** Who can be reached only together with everybody else. */
export const everybody = "255.255.255.255" as Ipv4;

/**
 * Where a reply goes (RFC 2131 section 4.1): to the relay that forwarded the request; to the client's own address when it
 * has one; to the address that it is given at its hardware address, unless its broadcast flag says that it cannot
 * take that yet; to everybody otherwise. `given`: the address in `yiaddr`, if there is one. A client of BOOTP is given
 * none here: the flag is younger than some of them (RFC 1542 section 3.1.1).
 */
export function destinationOf(
  type: "OFFER" | "ACK" | "NAK",
  { packet, mac }: Pick<DhcpRequest, "packet" | "mac">,
  given?: Ipv4,
): Destination {
  if (packet.giaddr !== noAddress) return { address: packet.giaddr, port: "server" };
  // An OFFER goes to somebody who is looking for an address, whatever it wrote into `ciaddr`.
  if (type === "ACK" && packet.ciaddr !== noAddress) return { address: packet.ciaddr, port: "client" };
  if (given === undefined || (packet.flags & broadcastFlag) !== 0)
    return { address: everybody, port: "client" };
  return { address: given, port: "client", mac };
}
