import type { Config } from "../config/config.ts";
import type { LoaderKind } from "../model/arch.ts";
import type { BootIdentity } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode } from "../model/node.ts";
import type { LeaseTable } from "./leases.ts";
import type { UuidSightings } from "../model/uuid-sightings.ts";

/** What of the head's configuration tells a machine what to boot. */
export type BootSite = Pick<Config, "address" | "unknownMachines" | "raspberryPiDirectory"> & {
  /** Which loader a node is given, or a machine that is none. */
  loaderFor: (node: ClusterNode | undefined) => LoaderKind;
  urls: BootUrls;
};

/** What of the head's configuration DHCP answers with. */
export type DhcpSite = BootSite & Pick<Config, "networks" | "authoritative" | "options">;

/** Where the head's HTTP server has things; the composition root knows. */
export type BootUrls = {
  /** By HTTP, a URL. The machine's identity is in it, so the fetch is known as its. */
  loader: (machine: BootIdentity, file: string) => string;
  /** By TFTP, a path. */
  loaderPath: (machine: BootIdentity, file: string) => string;
  script: (machine: BootIdentity) => string;
};

/** All that a decision looks at besides the request and the time. */
export type DhcpView = {
  directory: Directory;
  leases: LeaseTable;
  sightings: UuidSightings;
  site: DhcpSite;
};
