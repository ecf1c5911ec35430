import type { MachineNetwork } from "../config/machine.ts";
import {
  formatIpv4Range,
  type Ipv4,
  ipv4FromNumber,
  ipv4ToNumber,
  isHostOf,
  netmaskOf,
  parseIpv4,
  rangeContains,
  type Subnet,
} from "../lib/ipv4.ts";

/** What `init` can tell from an interface's address; text, as in the configuration's file. */
export type Proposal = { interface: string; address: string; subnet: string; pool?: string };

/** Bridges and tunnels of containers and virtual machines: never a rack's network. */
const virtual = /^(?:docker|virbr|veth|br-|cni|flannel|tun|tap|wg|lxc|podman)/;

/** A proposal for each private IPv4 address (RFC 1918) of an interface that may lead to a rack. */
export function proposals(machine: MachineNetwork): readonly Proposal[] {
  return Object.entries(machine.interfaces)
    .filter(([name]) => name !== "lo" && !virtual.test(name))
    .flatMap(([name]) => proposalsOf(name, machine).filter((proposal) => isPrivate(proposal.address)));
}

/** A proposal for each IPv4 address of one interface. */
export function proposalsOf(name: string, machine: MachineNetwork): readonly Proposal[] {
  return (machine.interfaces[name] ?? []).flatMap(({ address: text, cidr }) => {
    const address = parseIpv4(text);
    const bits = Number(cidr?.split("/")[1]);
    if (address === undefined || !(bits >= 1 && bits <= 30)) return [];
    const subnet = subnetOf(address, bits);
    const pool = poolOf(subnet, address);
    return [
      { interface: name, address, subnet: `${subnet.base}/${bits}`, ...(pool === undefined ? {} : { pool }) },
    ];
  });
}

function subnetOf(address: Ipv4, bits: number): Subnet {
  const mask = ipv4ToNumber(netmaskOf({ base: address, bits }));
  return { base: ipv4FromNumber((ipv4ToNumber(address) & mask) >>> 0), bits };
}

/** The pool of a subnet: .200 to .250 of a /24, and the like of others; lower where the head's own address is there. */
export function poolOf(subnet: Subnet, own: Ipv4): string | undefined {
  const size = 2 ** (32 - subnet.bits);
  const base = ipv4ToNumber(subnet.base);
  const part = (share: number): Ipv4 => ipv4FromNumber(base + Math.floor((size * share) / 256));
  const candidates = [
    { from: part(200), to: part(250) },
    { from: part(140), to: part(190) },
  ];
  const fit = candidates.find(
    ({ from, to }) => isHostOf(subnet, from) && isHostOf(subnet, to) && !rangeContains({ from, to }, own),
  );
  return fit === undefined ? undefined : formatIpv4Range(fit);
}

/** The flags that say what a proposal says. */
export function flagsOf(proposal: Proposal): string {
  return Object.entries(proposal)
    .map(([name, value]) => `--${name} ${value}`)
    .join(" ");
}

function isPrivate(text: string): boolean {
  return /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)/.test(text);
}
