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
  dhcpPort?: number;
  tftpPort?: number;
  httpPort?: number;
  nfsPort?: number;
};

type Ports = NonNullable<ConfigValues["ports"]>;

const network = ["interface", "address", "subnet", "pool"] as const;
const optional = [
  ...(["domain", "router", "dns", "leaseSeconds", "image", "imageStore", "stateDirectory"] as const),
  ...(["sharedDirectory", "loaderDirectory", "socket", "nfsBackend"] as const),
];

/**
 * What the configuration is written from: the flags first, then what the interface's address says.
 * @throws AppError("invalid") naming every flag that is still needed.
 */
export function valuesOf(flags: InitFlags, proposal: Proposal | undefined): ConfigValues {
  const known: Partial<Record<(typeof network)[number], string>> = {
    ...proposal,
    ...pick(flags, network),
    ...poolOfFlags(flags, proposal),
  };
  const missing = network.filter((key) => known[key] === undefined);
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
    ...(known as Required<typeof known>),
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

function portsOf({ dhcpPort, tftpPort, httpPort, nfsPort }: InitFlags): Ports {
  const entries = Object.entries({ dhcp: dhcpPort, tftp: tftpPort, http: httpPort, nfs: nfsPort });
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
  if (key === "ports" && part !== undefined) return `--${part}-port`;
  if (key === "nfs") return "--nfs-backend";
  if (key === "authorizedKeys") return "--authorized-key";
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
