import { formatSubnet, type Ipv4, subnetContains } from "../lib/ipv4.ts";
import { type Network, onWireOf } from "../model/network.ts";
import type { DhcpRequest } from "./client.ts";
import { noAddress } from "./packet.ts";

/** The networks of the link that a client is on; the first is the one to look for an address in first. */
export type Link = readonly [Network, ...Network[]];

export type LinkFound =
  | { kind: "link"; link: Link }
  | { kind: "foreign"; reason: "foreign-relay" | "foreign-network" };

type Asking = Pick<DhcpRequest, "packet" | "type" | "relay" | "subnetSelection">;

/**
 * Where a request comes from, the most particular word first: what the relay says of the link (RFC 3527 section 3 puts it
 * before option 118), the subnet that is asked for (RFC 3011), the relay's own address, the address that the client has and
 * reaches us from, else the interface's own network.
 */
export function linkOf({ packet, type, relay, subnetSelection }: Asking, networks: Link): LinkFound {
  const { giaddr, ciaddr } = packet;
  const selected = relay.linkSelection ?? subnetSelection;
  if (selected !== undefined) return around(selected, networks, "foreign-network");
  if (giaddr !== noAddress) return around(giaddr, networks, "foreign-relay");
  // What a client wrote there into a DISCOVER means nothing.
  if (ciaddr !== noAddress && type !== "DISCOVER") return around(ciaddr, networks, "foreign-network");
  return { kind: "link", link: onWireOf(networks[0], networks) };
}

function around(ip: Ipv4, networks: Link, reason: "foreign-relay" | "foreign-network"): LinkFound {
  const network = networks.find(({ subnet }) => subnetContains(subnet, ip));
  return network === undefined
    ? { kind: "foreign", reason }
    : { kind: "link", link: onWireOf(network, networks) };
}

/** For events: `10.0.2.0/24`, or all of a shared wire. */
export function linkText(link: Link): string {
  return link.map(({ subnet }) => formatSubnet(subnet)).join(" and ");
}
