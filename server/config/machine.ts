import { existsSync } from "node:fs";
import { execaSync } from "execa";
import { AppError, type Fault } from "../lib/errors.ts";
import { formatSubnet } from "../lib/ipv4.ts";
import { type Mac, parseMac } from "../lib/mac.ts";
import type { Config } from "./config.ts";

/** What this machine has, as far as a configuration must fit it. */
export type MachineNetwork = {
  /** IPv4 addresses by interface, whether or not its cable is plugged in. */
  interfaces: Readonly<Record<string, readonly { address: string; cidr: string }[]>>;
  /** IPv6 addresses, likewise. */
  ipv6: Readonly<Record<string, readonly { address: string; cidr: string }[]>>;
  /** Hardware addresses of Ethernet interfaces. */
  macs: Readonly<Record<string, Mac>>;
  exists: (name: string) => boolean;
};

type IpLink = {
  ifname: string;
  link_type: string;
  address?: string;
  addr_info: readonly { family: string; local: string; prefixlen: number }[];
};

/**
 * Asks ip(8): Node's own list leaves out an interface without a carrier, and a head has to start while the rack's switch is
 * still off.
 */
export function readMachineNetwork(): MachineNetwork {
  const { stdout } = execaSync("ip", ["-json", "address", "show"]);
  const links = JSON.parse(stdout) as readonly IpLink[];
  const addresses = (family: string): MachineNetwork["interfaces"] =>
    Object.fromEntries(
      links.map(({ ifname, addr_info: all }) => [
        ifname,
        all
          .filter((entry) => entry.family === family)
          .map(({ local, prefixlen }) => ({ address: local, cidr: `${local}/${prefixlen}` })),
      ]),
    );
  const macs = links.flatMap(({ ifname, link_type: type, address = "" }) => {
    const mac = type === "ether" ? parseMac(address) : undefined;
    return mac === undefined ? [] : [[ifname, mac] as const];
  });
  return {
    interfaces: addresses("inet"),
    ipv6: addresses("inet6"),
    macs: Object.fromEntries(macs),
    exists: (name) => existsSync(`/sys/class/net/${name}`),
  };
}

/** Faults of a configuration that only show on the machine it is for; empty when it fits. */
export function machineFaults(config: Config, machine: MachineNetwork): Fault[] {
  const named = config.interface;
  if (!machine.exists(named)) {
    const known = Object.keys(machine.interfaces).filter((name) => name !== "lo");
    return [
      {
        place: `${config.file}: interface`,
        message: `there is no network interface ${named}; this machine has ${known.join(", ") || "none that is up"}`,
      },
    ];
  }
  const own = machine.interfaces[named] ?? [];
  const match = own.find((entry) => entry.address === config.address);
  if (match === undefined) {
    const has = own.length === 0 ? "no address" : own.map((entry) => entry.address).join(", ");
    return [
      {
        place: `${config.file}: address`,
        message: `${config.address} is not an address of ${named}, which has ${has}`,
      },
    ];
  }
  const bits = Number(match.cidr.split("/")[1]);
  if (bits !== config.subnet.bits) {
    return [
      {
        place: `${config.file}: subnet`,
        message: `${named} has ${match.cidr}, which is not in a subnet of ${formatSubnet(config.subnet)}'s size`,
      },
    ];
  }
  return ipv6Faults(config, machine);
}

function ipv6Faults({ file, interface: named, ipv6 }: Config, machine: MachineNetwork): Fault[] {
  if (ipv6 === undefined) return [];
  const own = machine.ipv6[named] ?? [];
  const match = own.find((entry) => entry.address === ipv6.address);
  if (match?.cidr === `${ipv6.address}/64`) return [];
  const has = own.map((entry) => entry.cidr).join(", ") || "no IPv6 address";
  const message =
    match === undefined
      ? `${ipv6.address} is not an address of ${named}, which has ${has}`
      : `${named} has ${match.cidr}; the nodes' network must be a /64`;
  return [{ place: `${file}: ipv6.address`, message }];
}

/** @throws AppError("invalid") when the configuration does not fit this machine. */
export function checkMachine(config: Config, machine: MachineNetwork): void {
  const faults = machineFaults(config, machine);
  if (faults.length > 0)
    throw new AppError("invalid", `${config.file} does not fit this machine`, {
      faults,
      hint: faults.some(({ place }) => place.endsWith("ipv6.address"))
        ? `ip address add ${config.ipv6?.address}/64 dev ${config.interface}`
        : `ip address add ${config.address}/${config.subnet.bits} dev ${config.interface}`,
    });
}
