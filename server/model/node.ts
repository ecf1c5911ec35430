import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { LoaderKind } from "./arch.ts";
import type { ClientId, RelayPort, Uuid } from "./machine-identity.ts";

/** One machine of the rack, as the inventory has it. */
export type ClusterNode = {
  /** Stable over renames; never shown to people. */
  id: number;
  /** A host name label (RFC 1123). */
  name: string;
  /** Every port by which the machine may boot; the first is its address in listings. */
  macs: readonly Mac[];
  /** By these it is known as well as by its ports. */
  uuid?: Uuid;
  clientIds?: readonly ClientId[];
  relayPort?: RelayPort;
  ip: Ipv4;
  /** In the order given; the first group that sets a value wins. */
  groups: readonly string[];
  /** `name` or `name@version`; absent: the group's, else the head's default image. */
  image?: string;
  /** Absent: the group's, else the site's. */
  loader?: LoaderKind;
  /** Appended to the image's and the group's. */
  kernelArguments: readonly string[];
  /** Absent: none of its own. */
  options?: readonly DhcpOption[];
  /** 32 hexadecimal digits (machine-id(5)); the same at every boot. */
  machineId: string;
  /** Of the host key made when the node is added, so that a reboot is not a changed host to ssh; the private one is not kept in memory. */
  sshPublicKey: string;
  /** Milliseconds since 1970. */
  addedAtMs: number;
};

/** An Ed25519 key pair in OpenSSH's two text forms. `privateKey` is a secret: never in listings or logs. */
export type SshHostKey = { privateKey: string; publicKey: string };

export type Group = {
  name: string;
  image?: string;
  loader?: LoaderKind;
  kernelArguments: readonly string[];
  options?: readonly DhcpOption[];
};

/** A DHCP option that an administrator has set, as it goes onto the wire. */
export type DhcpOption = { code: number; value: Uint8Array };

/** A machine that asked for a boot and is in no node's list of ports. */
export type DiscoveredMachine = {
  mac: Mac;
  firstSeenMs: number;
  lastSeenMs: number;
  /** As the architecture table names it (`bios`, `uefi-x64`). */
  firmware?: string;
  /** Option 60 as sent. */
  vendorClass?: string;
  /** The pool address it was last given. */
  ip?: Ipv4;
  uuid?: Uuid;
  relayPort?: RelayPort;
};

/** An address handed out, or kept back. One per address. */
export type Lease = {
  ip: Ipv4;
  /** `id:<hex>` of option 61, else `mac:<mac>`: who holds it (RFC 2131 section 4.2). */
  client: string;
  mac: Mac;
  hostname?: string;
  /** `declined`: a client found the address in use (RFC 2131 section 4.3.3), nobody gets it until it expires. */
  state: "bound" | "released" | "declined";
  startedAtMs: number;
  expiresAtMs: number;
};

/** True for a host name label (RFC 1123 section 2.1): letters, digits and inner hyphens, at most 63. */
export function isNodeName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}
