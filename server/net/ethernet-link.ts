import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { AppError } from "../lib/errors.ts";
import { AF_PACKET } from "./linux.ts";

/** A network device as the kernel numbers it, and its own Ethernet address. */
export type EthernetLink = { index: number; mac: Buffer };

/** @throws AppError("environment") when there is no such device. */
export function ethernetLink(device: string): EthernetLink {
  const mac = networkInterfaces()[device]?.[0]?.mac;
  if (mac === undefined) throw new AppError("environment", `there is no network interface ${device}`);
  const index = Number(readFileSync(`/sys/class/net/${device}/ifindex`, "utf8"));
  return { index, mac: Buffer.from(mac.replaceAll(":", ""), "hex") };
}

/** struct sockaddr_ll (packet(7)); `protocol` as linux/if_ether.h numbers it. */
export const linkAddressBytes = 20;
/** Where the hardware address is in it. */
export const linkAddressMacAt = 12;

export function linkAddress(index: number, protocol: number, mac: Uint8Array): Buffer {
  const address = Buffer.alloc(linkAddressBytes);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(protocol, 2);
  address.writeInt32LE(index, 4);
  address[11] = mac.length;
  address.set(mac, linkAddressMacAt);
  return address;
}
