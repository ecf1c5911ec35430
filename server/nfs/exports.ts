import { AppError, type Fault } from "../lib/errors.ts";
import type { Ipv4, Subnet } from "../lib/ipv4.ts";
import type { Config } from "../config/config.ts";

/**
 * What the NFS server exports, the same for every backend. A client names a directory by its real path on the head
 * (Ganesha's `Pseudo` is its `Path`, and the kernel's server shows real paths by itself), so no table is needed to get
 * from an image's root directory to what a node mounts.
 */
export type NfsExports = {
  /** The head's address on the served network: what the server listens on. */
  address: Ipv4;
  port: number;
  /** The only clients: the machines of the networks that are served. */
  subnets: readonly Subnet[];
  /** The image store as a whole: a new image version needs no reload of the server. */
  images: ExportedDirectory;
  shared: ExportedDirectory;
};

export type ExportedDirectory = {
  path: string;
  access: "ro" | "rw";
  /**
   * Root of a node is root on the export. True for images: their files belong to many users and root must read them
   * all. False for /shared, so that no node can leave setuid-root files on the head.
   */
  trustRoot: boolean;
};

/** What mount(8) is given. */
export type Mount = { source: string; options: string };

/** The user and group that a squashed root becomes: `nobody` and `nogroup` of Debian. */
export const nobodyId = 65534;

/** NFS's own port; any other must be told to the client. */
const standardPort = 2049;

/** As much of the head's configuration as exports are made of. */
export type ExportConfig = Pick<
  Config,
  "address" | "imageStore" | "sharedDirectory" | "stateDirectory" | "ports"
> & { networks: readonly { subnet: Subnet }[] };

/** The exports that a head's configuration asks for. Throws when they would be unsafe or cannot be written down. */
export function exportsOf(config: ExportConfig): NfsExports {
  const faults = exportFaults(config);
  if (faults.length > 0) {
    throw new AppError("invalid", "these directories cannot be exported by NFS", { faults });
  }
  return {
    address: config.address,
    port: config.ports.nfs,
    subnets: config.networks.map(({ subnet }) => subnet),
    images: { path: withoutSlash(config.imageStore), access: "ro", trustRoot: true },
    shared: { path: withoutSlash(config.sharedDirectory), access: "rw", trustRoot: false },
  };
}

/** Everything that keeps the configured directories from being exported; empty when all is well. */
export function exportFaults(
  config: Pick<ExportConfig, "imageStore" | "sharedDirectory" | "stateDirectory">,
): Fault[] {
  const faults: Fault[] = [];
  for (const place of ["imageStore", "sharedDirectory"] as const) {
    const message = pathFault(config[place]);
    if (message !== undefined) faults.push({ place, message });
  }
  const { imageStore, sharedDirectory, stateDirectory } = config;
  if (overlap(imageStore, sharedDirectory)) {
    faults.push({
      place: "sharedDirectory",
      message: `${sharedDirectory} and the image store ${imageStore} contain one another: nodes could write into images`,
    });
  }
  for (const place of ["imageStore", "sharedDirectory"] as const) {
    if (isWithin(config[place], stateDirectory)) {
      faults.push({
        place,
        message: `${config[place]} contains the state directory ${stateDirectory}: nodes could read its secrets`,
      });
    }
  }
  return faults;
}

/** How a node mounts an image version's root directory (`ImageVersion.root`). */
export function rootMount(exports: NfsExports, rootDirectory: string): Mount {
  if (!isWithin(exports.images.path, rootDirectory)) {
    throw new AppError("invalid", `${rootDirectory} is not in the image store ${exports.images.path}`);
  }
  return mountOf(exports, rootDirectory, "ro");
}

/** How a node mounts /shared. Files of other nodes are data: no set-user-id programs, no devices. */
export function sharedMount(exports: NfsExports): Mount {
  return mountOf(exports, exports.shared.path, "rw,nosuid,nodev");
}

// 4.1 and not 4.2: with Ganesha 4.3 and an overlay on top, 4.2 ends in "/sbin/init: Input/output error".
function mountOf(exports: NfsExports, path: string, options: string): Mount {
  const port = exports.port === standardPort ? "" : `,port=${exports.port}`;
  return { source: `${exports.address}:${path}`, options: `${options},vers=4.1${port}` };
}

/** The path goes onto kernel command lines, into Ganesha's configuration and into exportfs arguments unquoted. */
function pathFault(path: string): string | undefined {
  if (!path.startsWith("/")) return `${path} is not an absolute path`;
  if (withoutSlash(path) === "") return "the whole file system of the head is not to be exported";
  if (!/^[A-Za-z0-9/._+@-]+$/.test(path)) {
    return `${path} may only have letters, digits and ._+@- in its names: it goes onto kernel command lines`;
  }
  if (/\/\/|\/\.{1,2}(?:\/|$)/.test(path)) return `${path} has an empty, "." or ".." component`;
  return undefined;
}

function overlap(left: string, right: string): boolean {
  return isWithin(left, right) || isWithin(right, left);
}

/** True when `path` is `directory` or below it. */
function isWithin(directory: string, path: string): boolean {
  return `${withoutSlash(path)}/`.startsWith(`${withoutSlash(directory)}/`);
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, "");
}
