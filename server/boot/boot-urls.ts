import { hyphenated, parseMac } from "../lib/mac.ts";
import type { BootIdentity } from "../model/boot-identity.ts";
import type { ImageVersion } from "../model/image.ts";
import { isNodeName } from "../model/node.ts";
import type { Dialect } from "./boot-script.ts";

/** The two that a head has addresses of. */
export type IpFamily = "ipv4" | "ipv6";

export function familyOf(address: string): IpFamily {
  return address.includes(":") ? "ipv6" : "ipv4";
}

/** What a loader fetches for the kernel's sake: two files of an image version, and the node's own. */
export type BootFile = "kernel" | "initrd" | "overlay";

/** How a loader fetches. */
export type Via = "http" | "tftp";

/** A boot by its number, and the image version of its script: its files are of that version, whatever is current meanwhile. */
export type BootOf = { nonce: string; image: Pick<ImageVersion, "name" | "version"> };

/** Every URL and path of a boot. The machine's identity is in it, and the number of this boot. */
export type BootUrls = {
  /** `http://10.0.1.1:8080` */
  base: string;
  script: (machine: BootIdentity) => string;
  file: (machine: BootIdentity, boot: BootOf, file: BootFile) => string;
  /** The same, as GRUB names a file of a server. */
  grubFile: (via: Via, machine: BootIdentity, boot: BootOf, file: BootFile) => string;
  /** `machine` undefined: for a port that GRUB knows. */
  grubScript: (via: Via, machine: BootIdentity | undefined) => string;
  /** By TFTP, as a URL. */
  tftpFile: (machine: BootIdentity, boot: BootOf, file: BootFile) => string;
  /** A configuration for PXELINUX, always by TFTP; `via`: how it is to fetch the files that are named there. */
  pxelinuxConfig: (via: Via, machine: BootIdentity) => string;
  /** For UEFI HTTP Boot. */
  loader: (machine: BootIdentity, file: string) => string;
  /** The same, as a path for TFTP. */
  loaderPath: (machine: BootIdentity, file: string) => string;
  /** And as a URL, which DHCPv6 asks for (RFC 5970 section 3.1). */
  tftpLoader: (machine: BootIdentity, file: string) => string;
};

/** Port 80 is left out: some firmware cannot read it in a URL. An IPv6 address stands in brackets (RFC 3986 section 3.2.2). */
export function bootUrls(address: string, port: number): BootUrls {
  const host = familyOf(address) === "ipv6" ? `[${address}]` : address;
  const base = port === 80 ? `http://${host}` : `http://${host}:${port}`;
  const device = (via: Via): string =>
    via === "tftp" ? `(tftp,${address})` : `(http,${base.slice("http://".length)})`;
  const own = (machine: BootIdentity): string => `boot/${identitySegment(machine)}`;
  return {
    base,
    script: (machine) => `${base}/${own(machine)}/script.ipxe`,
    file: (machine, boot, file) => `${base}/${own(machine)}/${fileSegments(boot, file)}`,
    grubScript: (via, machine) =>
      `${device(via)}/${machine === undefined ? "boot/${net_default_mac}" : own(machine)}/script.grub`,
    grubFile: (via, machine, boot, file) => `${device(via)}/${own(machine)}/${fileSegments(boot, file)}`,
    tftpFile: (machine, boot, file) => `tftp://${host}/${own(machine)}/${fileSegments(boot, file)}`,
    pxelinuxConfig: (via, machine) =>
      `tftp://${host}/${own(machine)}/${via === "http" ? "loader/" : ""}pxelinux.cfg/again`,
    loader: (machine, file) => `${base}/${own(machine)}/loader/${file}`,
    loaderPath: (machine, file) => `${own(machine)}/loader/${file}`,
    tftpLoader: (machine, file) => `tftp://${host}/${own(machine)}/loader/${file}`,
  };
}

function fileSegments({ nonce, image }: BootOf, file: BootFile): string {
  return file === "overlay" ? `${nonce}/${file}` : `${nonce}/${image.name}/${image.version}/${file}`;
}

/** The segment after `boot/`: `52-54-00-aa-00-01`, or `52-54-00-aa-00-01~n012` for a machine not known by its port. */
function identitySegment({ mac, name }: BootIdentity): string {
  return name === undefined ? hyphenated(mac) : `${hyphenated(mac)}~${name}`;
}

/** Reads that segment; undefined when it is none. The one reader of it, for HTTP and TFTP. */
export function readIdentity(segment: string): BootIdentity | undefined {
  const [port = "", name, ...rest] = segment.split("~");
  const mac = parseMac(port);
  if (mac === undefined || rest.length > 0) return undefined;
  if (name === undefined) return { mac };
  return isNodeName(name) ? { mac, name } : undefined;
}

/** What a machine asks for by a path of its own. */
export type OwnPath = {
  machine: BootIdentity;
  file:
    | { kind: "script"; dialect: Dialect }
    | { kind: "loader"; name: string }
    | { kind: "overlay"; nonce: string }
    /** `image`: `name@version`, for the image store to read. */
    | { kind: "image-file"; nonce: string; image: string; file: "kernel" | "initrd" };
};

const ownPath =
  /^\/*boot\/(?<machine>[^/]{12,81})\/(?:script\.(?<dialect>ipxe|grub)|loader\/(?<name>[A-Za-z0-9][A-Za-z0-9._-]*)|(?<nonce>[0-9a-f]{8,64})\/(?:overlay|(?<image>[a-z0-9.-]{1,64})\/(?<version>[0-9a-f.-]{1,32})\/(?<file>kernel|initrd)))$/;

/** Reads `boot/IDENTITY/{script.ipxe,script.grub,loader/FILE,BOOT/overlay,BOOT/IMAGE/VERSION/{kernel,initrd}}`, with or without slashes before; undefined for any other path. */
export function readOwnPath(path: string): OwnPath | undefined {
  const match = ownPath.exec(path)?.groups;
  const machine = readIdentity(match?.["machine"] ?? "");
  if (match === undefined || machine === undefined) return undefined;
  const { dialect, name, nonce = "", file } = match;
  if (dialect !== undefined) return { machine, file: { kind: "script", dialect: dialect as Dialect } };
  if (name !== undefined) return { machine, file: { kind: "loader", name } };
  if (file === undefined) return { machine, file: { kind: "overlay", nonce } };
  const image = `${match["image"]}@${match["version"]}`;
  return { machine, file: { kind: "image-file", nonce, image, file: file as "kernel" | "initrd" } };
}

/** `grub.cfg`, or that of one port: GRUB looks for `grub.cfg-01-MAC` before the plain one (grub-core/net/net.c). */
const grubConfig = /(?:^|\/)grub\.cfg(?:-01-(?<port>[0-9a-fA-F-]{17}))?$/;
const besideLoader = /^\/*boot\/(?<machine>[^/]{12,81})\/loader\/[^/]+$/;

/**
 * Reads the path of a GRUB's configuration, in whatever directory it looks for one; undefined for any other path. Whose it
 * is stands in the path of the loader beside which it looks, or in the name; if in neither, GRUB has to put it in.
 */
export function readGrubConfig(path: string): { machine: BootIdentity | undefined } | undefined {
  const match = grubConfig.exec(path)?.groups;
  if (match === undefined) return undefined;
  const machine = readIdentity(besideLoader.exec(path)?.groups?.["machine"] ?? "");
  const mac = parseMac(match["port"] ?? "");
  return { machine: machine ?? (mac === undefined ? undefined : { mac }) };
}

const pxelinuxConfig = /(?:^|\/)pxelinux\.cfg\/(?<name>[^/]+)$/;
const ownPxelinux = /^\/*boot\/(?<machine>[^/]{12,81})\/(?<ours>loader\/)?pxelinux\.cfg\//;
const pxelinuxPort = /^01-(?<port>[0-9a-f]{2}(?:-[0-9a-f]{2}){5})$/i;

/**
 * Reads the path of a PXELINUX's configuration; undefined for any other path, and for names that say nothing of a port
 * (it then asks for the next: UUID, `01-MAC`, the address in hexadecimal with ever fewer digits, `default`). Beside the
 * loader that DHCP named, the path says whose it is whatever the name, and the loader is the one with HTTP.
 */
export function readPxelinuxConfig(path: string): { machine: BootIdentity; via: Via } | undefined {
  const name = pxelinuxConfig.exec(path)?.groups?.["name"];
  if (name === undefined) return undefined;
  const own = ownPxelinux.exec(path)?.groups;
  const via = own?.["ours"] === undefined ? "tftp" : "http";
  const mac = parseMac(pxelinuxPort.exec(name)?.groups?.["port"] ?? "");
  const machine = readIdentity(own?.["machine"] ?? "") ?? (mac === undefined ? undefined : { mac });
  return machine === undefined ? undefined : { machine, via };
}
