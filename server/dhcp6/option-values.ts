import { ByteReader, ByteWriter } from "../lib/bytes.ts";
import { DecodeError } from "../lib/errors.ts";
import { type Ipv6, ipv6FromBytes, ipv6ToBytes } from "../lib/ipv6.ts";
import { type Mac, macFromBytes } from "../lib/mac.ts";
import { decodeOptions6, encodeOptions6 } from "./codec.ts";
import { find6, type Option6, optionCodes, type StatusCode } from "./packet.ts";

/** An identity association (RFC 8415 section 21.4): what a client asks addresses for. */
export type IdentityAssociation = {
  iaid: number;
  /** The addresses in it, as the client sent them. */
  addresses: readonly Ipv6[];
};

/** What a DUID tells about its owner (RFC 8415 section 11, RFC 6355). */
export type DuidFacts = { mac?: Mac; uuid?: Uint8Array };

/** Hardware type 1 of the IANA registry "Hardware Types". */
const ethernet = 1;
/** RFC 8415 section 11.2 and 11.4, RFC 6355 section 4. */
const duidTypes = { linkLayerTime: 1, linkLayer: 3, uuid: 4 } as const;

/** A DUID of type 3 of our own: the hardware address that will not change without an administrator. */
export function linkLayerDuid(mac: Uint8Array): Uint8Array {
  return new ByteWriter(10).u16(duidTypes.linkLayer).u16(ethernet).bytes(mac).finish();
}

/** Whatever can be read from it: EDK2 sends a UUID, iPXE a UUID or a MAC address, systemd a number of its own. */
export function readDuid(duid: Uint8Array): DuidFacts {
  if (duid.length < 3) throw new DecodeError("bad-value", 0, "a DUID of less than three bytes");
  const reader = new ByteReader(duid);
  const type = reader.u16();
  if (type === duidTypes.uuid && reader.remaining === 16) return { uuid: reader.bytes(16) };
  const timeBytes = type === duidTypes.linkLayerTime ? 4 : 0;
  const hasMac = type === duidTypes.linkLayerTime || type === duidTypes.linkLayer;
  if (!hasMac || reader.remaining !== 2 + timeBytes + 6 || reader.u16() !== ethernet) return {};
  reader.bytes(timeBytes);
  const mac = macFromBytes(reader.bytes(6));
  return mac === undefined ? {} : { mac };
}

/** The MAC in an address whose last 64 bits were made of one (RFC 4291 appendix A); EDK2's and iPXE's link-local ones are. */
export function macOfAddress(ip: Ipv6): Mac | undefined {
  const bytes = ipv6ToBytes(ip).subarray(8);
  if (bytes[3] !== 0xff || bytes[4] !== 0xfe) return undefined;
  const mac = Uint8Array.of((bytes[0] ?? 0) ^ 2, ...bytes.subarray(1, 3), ...bytes.subarray(5, 8));
  return macFromBytes(mac);
}

/** Option 79: what a relay saw (RFC 6939 section 4). */
export function readLinkLayer(value: Uint8Array): Mac | undefined {
  const reader = new ByteReader(value);
  return reader.u16() === ethernet && reader.remaining === 6 ? macFromBytes(reader.bytes(6)) : undefined;
}

export function readAssociation(value: Uint8Array): IdentityAssociation {
  const reader = new ByteReader(value);
  const iaid = reader.u32();
  reader.bytes(8); // T1 and T2: the client's wishes
  const inside = decodeOptions6(reader.bytes(reader.remaining));
  return {
    iaid,
    addresses: inside
      .filter(({ code }) => code === optionCodes.address)
      .map((option) => ipv6FromBytes(new ByteReader(option.value).bytes(16))),
  };
}

/** An IA_NA with one address, to be renewed after half of its time. */
export function associationOption(iaid: number, ip: Ipv6, seconds: number): Option6 {
  const address = new ByteWriter(24).bytes(ipv6ToBytes(ip)).u32(seconds).u32(seconds).finish();
  return association(iaid, Math.floor(seconds / 2), Math.floor((seconds * 4) / 5), [
    { code: optionCodes.address, value: address },
  ]);
}

/** An IA_NA without an address, and why. */
export function refusedAssociation(iaid: number, status: StatusCode, message: string): Option6 {
  return association(iaid, 0, 0, [statusOption(status, message)]);
}

function association(iaid: number, t1: number, t2: number, inside: readonly Option6[]): Option6 {
  const value = new ByteWriter(64).u32(iaid).u32(t1).u32(t2).bytes(encodeOptions6(inside)).finish();
  return { code: optionCodes.identityNonTemporary, value };
}

export function statusOption(status: StatusCode, message: string): Option6 {
  return {
    code: optionCodes.status,
    value: new ByteWriter(64).u16(status).bytes(Buffer.from(message)).finish(),
  };
}

/** Option 16 (RFC 8415 section 21.16): an enterprise number and classes, each with its length in two bytes. */
export function vendorClassOption(enterprise: number, text: string): Option6 {
  const bytes = Buffer.from(text, "latin1");
  const value = new ByteWriter(64).u32(enterprise).u16(bytes.length).bytes(bytes).finish();
  return { code: optionCodes.vendorClass, value };
}

export function readVendorClasses(value: Uint8Array): { enterprise: number; classes: readonly string[] } {
  const reader = new ByteReader(value);
  return { enterprise: reader.u32(), classes: readClasses(reader) };
}

/** Option 15 (RFC 8415 section 21.15). */
export function readUserClasses(value: Uint8Array): readonly string[] {
  return readClasses(new ByteReader(value));
}

function readClasses(reader: ByteReader): string[] {
  const classes: string[] = [];
  while (reader.remaining > 0) classes.push(Buffer.from(reader.bytes(reader.u16())).toString("latin1"));
  return classes;
}

/** Option 61: two bytes each (RFC 5970 section 3.3). */
export function readArchitectures(options: readonly Option6[]): readonly number[] {
  const value = find6(options, optionCodes.architectures);
  if (value === undefined) return [];
  const reader = new ByteReader(value);
  const codes: number[] = [];
  while (reader.remaining > 0) codes.push(reader.u16());
  return codes;
}

/** DNS names as RFC 1035 section 3.1 writes them, without compression (RFC 8415 section 10). */
export function domainListOption(names: readonly string[]): Option6 {
  const writer = new ByteWriter(64);
  for (const name of names) {
    for (const label of name.split(".")) writer.u8(label.length).bytes(Buffer.from(label, "latin1"));
    writer.u8(0);
  }
  return { code: optionCodes.domainList, value: writer.finish() };
}

/** Option 23 (RFC 3646 section 3). */
export function dnsOption(servers: readonly Ipv6[]): Option6 {
  return { code: optionCodes.dnsServers, value: Buffer.concat(servers.map(ipv6ToBytes)) };
}
