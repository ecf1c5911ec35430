import { formatSubnet, type Subnet, ipv4FromNumber, ipv4ToNumber } from "../lib/ipv4.ts";

/** Where the two ends of a twin's only cable are. */
export type TwinNetwork = {
  /** Network namespaces. */
  head: string;
  machines: string;
  /** The head's interface, called as in its configuration. */
  device: string;
  address: string;
  /** Every network of the wire, the interface's own first. */
  subnets: readonly [Subnet, ...Subnet[]];
};

/** The machines' interface. */
export const machinesDevice = "eth0";

/** The machines' end as a next hop: link-local, so it can be in no rack's network. */
const nextHop = "169.254.77.2";

/**
 * Makes the namespaces of head and machines with a cable between them, whose ends are born inside: this machine sees
 * neither. The head reaches all machines through one next hop, since the kernel's table of neighbours has room for 1,024,
 * in all namespaces together (neigh/default/gc_thresh3). Command lines, in order.
 */
export function networkCommands({ head, machines, device, address, subnets }: TwinNetwork): string[][] {
  const [own, ...others] = subnets;
  const [atHead, atMachines] = [
    ["ip", "-n", head],
    ["ip", "-n", machines],
  ] as const;
  const toMachines = [...atHead, "route", "add"];
  const byNextHop = ["via", nextHop, "dev", device, "onlink"];
  return [
    ["ip", "netns", "add", head],
    ["ip", "netns", "add", machines],
    [...atHead, "link", "set", "lo", "up"],
    [...atMachines, "link", "set", "lo", "up"],
    [
      "ip",
      "link",
      "add",
      device,
      "netns",
      head,
      "type",
      "veth",
      "peer",
      "name",
      machinesDevice,
      "netns",
      machines,
    ],
    [...atHead, "address", "add", `${address}/${own.bits}`, "brd", "+", "dev", device],
    [...atHead, "link", "set", device, "up"],
    [...atMachines, "link", "set", machinesDevice, "up"],
    // Of link scope: it is no source for the machines' first DHCP messages, which come from 0.0.0.0.
    [...atMachines, "address", "add", `${nextHop}/32`, "scope", "link", "dev", "lo"],
    // By this, machines whose addresses are of another network of the wire reach the head too.
    [...atMachines, "route", "add", `${address}/32`, "dev", machinesDevice],
    ...[...halves(own), ...others.map(formatSubnet)].map((network) => [...toMachines, network, ...byNextHop]),
  ];
}

/** More specific than the interface's own route, and together the same. */
function halves({ base, bits }: Subnet): string[] {
  const size = 2 ** (31 - bits);
  return [base, ipv4FromNumber(ipv4ToNumber(base) + size)].map((half) => `${half}/${bits + 1}`);
}
