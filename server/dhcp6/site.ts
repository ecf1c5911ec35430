import type { Ipv6, Ipv6Prefix } from "../lib/ipv6.ts";
import type { BootIdentity } from "../model/boot-identity.ts";
import type { LoaderKind } from "../model/arch.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode } from "../model/node.ts";
import type { UuidSightings } from "../model/uuid-sightings.ts";

/** Where the head's servers have things, by IPv6; the composition root knows. */
export type BootUrls6 = {
  /** `tftp://[fd77::1]/boot/…` */
  tftpLoader: (machine: BootIdentity, file: string) => string;
  loader: (machine: BootIdentity, file: string) => string;
  script: (machine: BootIdentity) => string;
};

/** What of the head's configuration DHCPv6 answers with. */
export type Site6 = {
  /** Our own DUID. */
  duid: Uint8Array;
  prefix: Ipv6Prefix;
  leaseSeconds: number;
  domain: string;
  dns: readonly Ipv6[];
  unknownMachines: "wait" | "address" | "ignore";
  /** Which loader a node is given, or a machine that is none. */
  loaderFor: (node: ClusterNode | undefined) => LoaderKind;
  urls: BootUrls6;
};

/** All that a decision looks at besides the request and the time. */
export type View6 = {
  site: Site6;
  directory: Directory;
  sightings: UuidSightings;
  /** Whether a client found this address in use not long ago. */
  isDeclined: (ip: Ipv6, nowMs: number) => boolean;
};
