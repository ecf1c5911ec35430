import { ByteReader, ByteWriter } from "../lib/bytes.ts";
import { DecodeError } from "../lib/errors.ts";
import { type Ipv6, type Ipv6Prefix, ipv6ToBytes } from "../lib/ipv6.ts";
import { type Mac, macFromBytes, macToBytes } from "../lib/mac.ts";
import type { Directory } from "../model/directory.ts";
import { macOfAddress } from "./option-values.ts";

/** ICMPv6 types of RFC 4861 section 4. */
const routerSolicitation = 133;
const routerAdvertisement = 134;
/** Options of RFC 4861 section 4.6; lengths count eight bytes. */
const sourceLinkLayer = 1;
const prefixInformation = 3;
/** RFC 4861 section 4.2: addresses, and everything else, by DHCPv6. */
const flags = { managed: 0x80, other: 0x40 } as const;
/** RFC 4861 section 4.6.2: neighbours have addresses of this network. They are not to make any of it themselves. */
const onLink = 0x80;
const forEver = 0xffffffff;

/** The sender's MAC, where its option says; throws DecodeError and nothing else. */
export function decodeSolicitation(bytes: Uint8Array): { mac: Mac | undefined } {
  const reader = new ByteReader(bytes);
  const type = reader.u8();
  if (type !== routerSolicitation) throw new DecodeError("unsupported", 0, `ICMPv6 type ${type}`);
  reader.bytes(7); // code, checksum (the kernel has looked at it), reserved
  let mac: Mac | undefined;
  while (reader.remaining > 0) {
    const option = reader.u8();
    const length = reader.u8() * 8;
    if (length === 0) throw new DecodeError("bad-value", reader.offset, "an option without a length");
    const value = reader.bytes(length - 2);
    if (option === sourceLinkLayer && value.length === 6) mac = macFromBytes(value);
  }
  return { mac };
}

/** `prefix` absent: nothing but the word that there is no router, so that nobody waits for one. */
export type Advertisement = { mac: Mac; prefix: Ipv6Prefix | undefined };

/** A router advertisement of a machine that is no router: its lifetime is 0 (RFC 4861 section 4.2). */
export function encodeAdvertisement({ mac, prefix }: Advertisement): Uint8Array {
  const writer = new ByteWriter(64)
    .u8(routerAdvertisement)
    .u8(0)
    .u16(0) // the kernel writes the checksum
    .u8(64) // hop limit
    .u8(prefix === undefined ? 0 : flags.managed | flags.other)
    .u16(0) // router lifetime
    .u32(0) // reachable time, unspecified
    .u32(0) // retransmission timer, unspecified
    .u8(sourceLinkLayer)
    .u8(1)
    .bytes(macToBytes(mac));
  if (prefix !== undefined) {
    writer.u8(prefixInformation).u8(4).u8(prefix.bits).u8(onLink).u32(forEver).u32(forEver).u32(0);
    writer.bytes(ipv6ToBytes(prefix.base));
  }
  return writer.finish();
}

export type RouterView = {
  directory: Directory;
  /** Our own port's. */
  mac: Mac;
  prefix: Ipv6Prefix | undefined;
};

const nobody = "::" as Ipv6;
const allNodes = "ff02::1" as Ipv6;

/**
 * Whether and where to answer. With an IPv6 network of our own, everybody on the wire. Without one only our own nodes, and
 * only them alone, so that no other machine ever hears of us: iPXE of 2019 waits 14 s for a router before it goes on.
 */
export function answerSolicitation(
  source: Ipv6,
  mac: Mac | undefined,
  view: RouterView,
): { to: Ipv6; advertisement: Advertisement } | undefined {
  const advertisement = { mac: view.mac, prefix: view.prefix };
  if (view.prefix !== undefined) return { to: source === nobody ? allNodes : source, advertisement };
  const sender = mac ?? macOfAddress(source);
  const known = sender !== undefined && view.directory.byMac(sender) !== undefined;
  return known && source !== nobody ? { to: source, advertisement } : undefined;
}
