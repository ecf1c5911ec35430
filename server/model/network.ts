import {
  formatSubnet,
  type Ipv4,
  type Ipv4Range,
  isHostOf,
  rangeContains,
  type Subnet,
} from "../lib/ipv4.ts";
import type { DhcpOption } from "./node.ts";

/** One IPv4 network whose addresses the head gives out. */
export type Network = {
  subnet: Subnet;
  /** Networks of one wire share a link: a machine on it may have an address of any of them. */
  wire: string;
  /** For machines that are not in the inventory; none: only nodes are given addresses here. */
  pools: readonly Ipv4Range[];
  /** Option 3; absent: no default route. */
  router?: Ipv4;
  /** Option 6. */
  dns: readonly Ipv4[];
  /** Option 15. */
  domain: string;
  leaseSeconds: number;
  options: readonly DhcpOption[];
};

/** The network in which a machine may have this address. */
export function networkOf<T extends Pick<Network, "subnet">>(
  ip: Ipv4,
  networks: readonly T[],
): T | undefined {
  return networks.find((network) => isHostOf(network.subnet, ip));
}

/** All networks of the wire of this one, itself first. */
export function onWireOf<T extends Pick<Network, "wire">>(
  network: T,
  networks: readonly T[],
): readonly [T, ...T[]] {
  return [network, ...networks.filter((other) => other !== network && other.wire === network.wire)];
}

export function poolOf(ip: Ipv4, { pools }: Pick<Network, "pools">): Ipv4Range | undefined {
  return pools.find((pool) => rangeContains(pool, ip));
}

/** `10.0.1.0/24, 10.0.2.0/24` */
export function subnetsText(networks: readonly Pick<Network, "subnet">[]): string {
  return networks.map((network) => formatSubnet(network.subnet)).join(", ");
}
