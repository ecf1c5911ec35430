import { ByteReader, ByteWriter } from "../lib/bytes.ts";
import { DecodeError } from "../lib/errors.ts";
import { ipv6FromBytes, ipv6ToBytes } from "../lib/ipv6.ts";
import { isRelay6, type MessageType, messageTypes, type Option6, type Packet6 } from "./packet.ts";

const typeNames: ReadonlyMap<number, MessageType> = new Map(
  Object.entries(messageTypes).map(([name, code]) => [code, name as MessageType]),
);

/** Reads a DHCPv6 message; throws DecodeError and nothing else. What the options mean is read where it is needed. */
export function decode6(bytes: Uint8Array): Packet6 {
  const reader = new ByteReader(bytes);
  const code = reader.u8();
  const type = typeNames.get(code);
  if (type === undefined) throw new DecodeError("unsupported", 0, `message type ${code}`);
  if (type === "RELAY-FORW" || type === "RELAY-REPL") {
    const hops = reader.u8();
    const link = ipv6FromBytes(reader.bytes(16));
    const peer = ipv6FromBytes(reader.bytes(16));
    return { type, hops, link, peer, options: readOptions6(reader) };
  }
  const transactionId = (reader.u8() << 16) | reader.u16();
  return { type, transactionId, options: readOptions6(reader) };
}

/** The options in a message, or within an option. Values are views. */
export function decodeOptions6(bytes: Uint8Array): readonly Option6[] {
  return readOptions6(new ByteReader(bytes));
}

export function encode6(packet: Packet6): Uint8Array {
  const writer = new ByteWriter(512).u8(messageTypes[packet.type]);
  if (isRelay6(packet)) {
    writer.u8(packet.hops).bytes(ipv6ToBytes(packet.link)).bytes(ipv6ToBytes(packet.peer));
  } else {
    writer.u8(packet.transactionId >>> 16).u16(packet.transactionId & 0xffff);
  }
  return writer.bytes(encodeOptions6(packet.options)).finish();
}

export function encodeOptions6(options: readonly Option6[]): Uint8Array {
  const writer = new ByteWriter(256);
  for (const { code, value } of options) {
    if (value.length > 0xffff) throw new RangeError(`option ${code} is too long`);
    writer.u16(code).u16(value.length).bytes(value);
  }
  return writer.finish();
}

function readOptions6(reader: ByteReader): Option6[] {
  const options: Option6[] = [];
  while (reader.remaining > 0) {
    const code = reader.u16();
    const length = reader.u16();
    options.push({ code, value: reader.bytes(length) });
  }
  return options;
}
