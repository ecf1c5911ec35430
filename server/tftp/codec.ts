import { assertNever } from "../lib/assert.ts";
import { ByteReader, ByteWriter } from "../lib/bytes.ts";
import { DecodeError } from "../lib/errors.ts";
import { type TftpOption, type TftpPacket, opcodes, requestLimitBytes } from "./packet.ts";

// File names are UTF-8, as on our disk: other bytes name no file of ours. An error's text is for people, any bytes do.
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The block of an acknowledgement, without an object for each of the packets that most are; undefined: another packet. */
export function readAck(bytes: Uint8Array): number | undefined {
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== opcodes.ack) return undefined;
  return ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0);
}

/** Reads one datagram; throws DecodeError and nothing else. `data` is a view into `bytes`. */
export function decode(bytes: Uint8Array): TftpPacket {
  const reader = new ByteReader(bytes);
  const opcode = reader.u16();
  switch (opcode) {
    case opcodes.rrq:
      return { kind: "rrq", ...readRequest(bytes, reader) };
    case opcodes.wrq:
      return { kind: "wrq", ...readRequest(bytes, reader) };
    case opcodes.data:
      return { kind: "data", block: reader.u16(), data: reader.bytes(reader.remaining) };
    case opcodes.ack:
      // What follows the number is ignored: some boot ROMs pad every packet.
      return { kind: "ack", block: reader.u16() };
    case opcodes.error:
      return { kind: "error", code: reader.u16(), message: readMessage(reader) };
    case opcodes.oack:
      return { kind: "oack", options: readOptions(bytes, reader) };
    default:
      throw new DecodeError("unsupported", 0, `opcode ${opcode}`);
  }
}

type RequestFields = { path: string; mode: string; options: readonly TftpOption[] };

function readRequest(bytes: Uint8Array, reader: ByteReader): RequestFields {
  if (bytes.length > requestLimitBytes) {
    throw new DecodeError("too-long", requestLimitBytes, `request longer than ${requestLimitBytes} bytes`);
  }
  const path = readText(bytes, reader);
  const mode = readText(bytes, reader);
  return { path, mode, options: readOptions(bytes, reader) };
}

function readOptions(bytes: Uint8Array, reader: ByteReader): TftpOption[] {
  const options: TftpOption[] = [];
  while (reader.remaining > 0) {
    // Zero bytes up to the end are padding, seen from old boot ROMs.
    if (bytes.subarray(reader.offset).every((byte) => byte === 0)) break;
    const at = reader.offset;
    const name = readText(bytes, reader);
    if (name === "") throw new DecodeError("bad-value", at, "an option without a name");
    options.push({ name, value: readText(bytes, reader) });
  }
  return options;
}

/** Text up to its closing zero byte. */
function readText(bytes: Uint8Array, reader: ByteReader): string {
  const from = reader.offset;
  const end = bytes.indexOf(0, from);
  if (end < 0) throw new DecodeError("truncated", from, "text without its closing zero byte");
  const text = reader.bytes(end - from);
  reader.u8();
  try {
    return strictUtf8.decode(text);
  } catch {
    throw new DecodeError("bad-value", from, "text that is not UTF-8");
  }
}

/** An error ends a transfer whether or not its text is well formed: clients leave the zero byte out. */
function readMessage(reader: ByteReader): string {
  const rest = reader.bytes(reader.remaining);
  const end = rest.indexOf(0);
  return lenientUtf8.decode(end < 0 ? rest : rest.subarray(0, end));
}

/** One datagram. Texts must be free of zero bytes. */
export function encode(packet: TftpPacket): Uint8Array {
  const writer = new ByteWriter(packet.kind === "data" ? packet.data.length + 4 : 64);
  writer.u16(opcodes[packet.kind]);
  switch (packet.kind) {
    case "rrq":
    case "wrq":
      writeText(writer, packet.path);
      writeText(writer, packet.mode);
      writeOptions(writer, packet.options);
      break;
    case "data":
      writer.u16(packet.block).bytes(packet.data);
      break;
    case "ack":
      writer.u16(packet.block);
      break;
    case "error":
      writer.u16(packet.code);
      writeText(writer, packet.message);
      break;
    case "oack":
      writeOptions(writer, packet.options);
      break;
    default:
      assertNever(packet);
  }
  return writer.finish();
}

function writeOptions(writer: ByteWriter, options: readonly TftpOption[]): void {
  for (const option of options) {
    writeText(writer, option.name);
    writeText(writer, option.value);
  }
}

function writeText(writer: ByteWriter, text: string): void {
  if (text.includes("\0")) throw new RangeError("a zero byte would end the text");
  writer.bytes(encoder.encode(text)).u8(0);
}
