import type { ConfigValues } from "../config/template.ts";
import { AppError } from "../lib/errors.ts";
import { parseIpv4, parseSubnet } from "../lib/ipv4.ts";
import { poolOf, type Proposal } from "./proposal.ts";

/** Flags of `provision init`, as commander names them. */
export type InitFlags = {
  interface?: string;
  address?: string;
  subnet?: string;
  pool?: string;
  proxy?: boolean;
  domain?: string;
  router?: string;
  dns?: readonly string[];
  leaseSeconds?: number;
  image?: string;
  imageStore?: string;
  stateDirectory?: string;
  sharedDirectory?: string;
  loaderDirectory?: string;
  socket?: string;
  authorizedKey?: readonly string[];
  nfsBackend?: string;
  tftpSinglePort?: boolean;
  raspberryPiDirectory?: string;
  dhcpPort?: number;
  bootServerPort?: number;
  tftpPort?: number;
  httpPort?: number;
  nfsPort?: number;
};

type Ports = NonNullable<ConfigValues["ports"]>;

const network = ["interface", "address", "subnet"] as const;
const optional = [
  ...(["domain", "router", "dns", "leaseSeconds", "image", "imageStore", "stateDirectory"] as const),
  ...(["sharedDirectory", "loaderDirectory", "raspberryPiDirectory", "socket"] as const),
  ...(["nfsBackend", "tftpSinglePort"] as const),
];

/**
 * What the configuration is written from: the flags first, then what the interface's address says.
 * @throws AppError("invalid") naming every flag that is still needed.
 */
export function valuesOf(flags: InitFlags, proposal: Proposal | undefined): ConfigValues {
  const known: Partial<Record<(typeof network)[number] | "pool", string>> = {
    ...proposal,
    ...pick(flags, [...network, "pool"]),
    ...poolOfFlags(flags, proposal),
  };
  // One that is told all the same is refused with the rest.
  if (flags.proxy === true && flags.pool === undefined) delete known.pool;
  const needed = flags.proxy === true ? network : ([...network, "pool"] as const);
  const missing = needed.filter((key) => known[key] === undefined);
  if (missing.length > 0) {
    const faults = missing.map((key) => ({
      place: `--${key}`,
      message: "is needed: the machine does not tell it",
    }));
    throw new AppError("invalid", "not everything is known that a configuration needs", { faults });
  }
  const { authorizedKey } = flags;
  const ports = portsOf(flags);
  return {
    ...(known as Record<(typeof network)[number], string>),
    ...(flags.proxy === true ? { dhcpMode: "proxy" } : {}),
    ...pick(flags, optional),
    ...(authorizedKey === undefined ? {} : { authorizedKeys: authorizedKey }),
    ...(Object.keys(ports).length === 0 ? {} : { ports }),
  };
}

/** A subnet that was told has its own pool. */
function poolOfFlags(
  { subnet, pool, address }: InitFlags,
  proposal: Proposal | undefined,
): { pool?: string } {
  const own = parseIpv4(address ?? proposal?.address ?? "");
  const told = parseSubnet(subnet ?? "");
  if (pool !== undefined || told === undefined || own === undefined) return {};
  const derived = poolOf(told, own);
  return derived === undefined ? {} : { pool: derived };
}

function portsOf({ dhcpPort, bootServerPort, tftpPort, httpPort, nfsPort }: InitFlags): Ports {
  const entries = Object.entries({
    dhcp: dhcpPort,
    bootServer: bootServerPort,
    tftp: tftpPort,
    http: httpPort,
    nfs: nfsPort,
  });
  return Object.fromEntries(entries.filter(([, port]) => port !== undefined));
}

function pick<K extends keyof InitFlags>(flags: InitFlags, keys: readonly K[]): Pick<InitFlags, K> {
  const entries = keys.map((key) => [key, flags[key]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Pick<InitFlags, K>;
}

/** The flag behind a fault's place (`/etc/provision/provision.yaml:9: ports.http`). */
export function flagOfKey(place: string): string {
  const [key = "", part] = place
    .slice(place.lastIndexOf(": ") + 1)
    .trim()
    .split(".");
  if (key === "ports" && part !== undefined) return `--${hyphenated(part)}-port`;
  if (key === "dhcp") return "--proxy";
  if (key === "nfs") return "--nfs-backend";
  if (key === "tftp") return "--tftp-single-port";
  if (key === "authorizedKeys") return "--authorized-key";
  return `--${hyphenated(key)}`;
}

function hyphenated(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
