import {
  formatIpv4Range,
  formatSubnet,
  type Ipv4,
  type Ipv4Range,
  ipv4ToNumber,
  isHostOf,
  rangeContains,
  type Subnet,
  subnetContains,
} from "../lib/ipv4.ts";
import type { Network } from "../model/network.ts";
import type { DhcpOption } from "../model/node.ts";
import type { Issue } from "./issue.ts";

/** What a network may say; a further one that does not say takes the head's own. One without a subnet has a fault. */
type NetworkSettings = {
  subnet?: Subnet;
  wire?: string;
  pool?: readonly Ipv4Range[];
  router?: Ipv4;
  dns?: readonly Ipv4[];
  domain?: string;
  leaseSeconds?: number;
  options?: readonly DhcpOption[];
};

/** The settings of a head that make its networks. */
export type NetworkFields = Required<Omit<NetworkSettings, "pool" | "router" | "wire">> & {
  interface: string;
  address: Ipv4;
  pool?: readonly Ipv4Range[];
  router?: Ipv4;
  networks: readonly NetworkSettings[];
};

/**
 * The networks of a head, its own first. What a further network does not say it takes from the head, except addresses that
 * are good in one subnet only. By itself a network is on a wire of its own, behind a relay; the wire of the head's own
 * network is named as the interface.
 */
export function networksOf(fields: NetworkFields): readonly [Network, ...Network[]] {
  const { subnet, pool, router, dns, domain, leaseSeconds } = fields;
  const own: Network = {
    subnet,
    wire: fields.interface,
    pools: pool ?? [],
    ...(router === undefined ? {} : { router }),
    dns,
    domain,
    leaseSeconds,
    options: [],
  };
  const further = fields.networks.flatMap((network): Network[] => {
    if (network.subnet === undefined) return [];
    return [
      {
        subnet: network.subnet,
        wire: network.wire ?? formatSubnet(network.subnet),
        pools: network.pool ?? [],
        ...(network.router === undefined ? {} : { router: network.router }),
        dns: network.dns ?? dns,
        domain: network.domain ?? domain,
        leaseSeconds: network.leaseSeconds ?? leaseSeconds,
        options: network.options ?? [],
      },
    ];
  });
  return [own, ...further];
}

/** What does not fit together within a network and between two; fields with a fault of their own are absent. */
export function* networkClashes(fields: Partial<NetworkFields>): Generator<Issue> {
  const { address, networks = [], ...own } = fields;
  yield* clashesWithin([], { ...own, ...(address === undefined ? {} : { address }) });
  for (const [index, network] of networks.entries()) {
    yield* clashesWithin(["networks", String(index)], network);
  }
  const placed = [
    ...(own.subnet === undefined ? [] : [{ path: ["subnet"], subnet: own.subnet }]),
    ...networks.flatMap(({ subnet }, index) =>
      subnet === undefined ? [] : [{ path: ["networks", String(index), "subnet"], subnet }],
    ),
  ];
  for (const [index, { path, subnet }] of placed.entries()) {
    const other = placed.slice(0, index).find((earlier) => overlap(earlier.subnet, subnet));
    if (other !== undefined)
      yield { path, message: `${formatSubnet(subnet)} overlaps ${formatSubnet(other.subnet)}` };
  }
}

function* clashesWithin(
  at: readonly string[],
  { subnet, pool = [], router, address }: NetworkSettings & { address?: Ipv4 },
): Generator<Issue> {
  if (subnet !== undefined) {
    for (const [key, ip] of [
      ["address", address] as const,
      ...pool.flatMap(({ from, to }) => [["pool", from] as const, ["pool", to] as const]),
      ["router", router] as const,
    ]) {
      if (ip === undefined || isHostOf(subnet, ip)) continue;
      const relation = subnetContains(subnet, ip) ? "no host address of" : "outside";
      yield { path: [...at, key], message: `${ip} is ${relation} ${formatSubnet(subnet)}` };
    }
  }
  for (const [index, range] of pool.entries()) {
    const path = [...at, "pool"];
    if (address !== undefined && rangeContains(range, address))
      yield { path, message: `the pool contains the head's own address ${address}` };
    if (router !== undefined && rangeContains(range, router))
      yield { path, message: `the pool contains the router ${router}` };
    const other = pool.slice(0, index).find((earlier) => rangesOverlap(earlier, range));
    if (other !== undefined)
      yield { path, message: `${formatIpv4Range(range)} overlaps ${formatIpv4Range(other)}` };
  }
}

/** Of two networks that overlap one contains the other. */
function overlap(left: Subnet, right: Subnet): boolean {
  return subnetContains(left, right.base) || subnetContains(right, left.base);
}

function rangesOverlap(left: Ipv4Range, right: Ipv4Range): boolean {
  return (
    ipv4ToNumber(left.from) <= ipv4ToNumber(right.to) && ipv4ToNumber(right.from) <= ipv4ToNumber(left.to)
  );
}
