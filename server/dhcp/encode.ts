import { ByteWriter } from "../lib/bytes.ts";
import { ipv4ToNumber } from "../lib/ipv4.ts";
import { wireOrder } from "./option-table.ts";
import {
  type DhcpPacket,
  endCode,
  fileBytes,
  headerBytes,
  magicCookie,
  noAddress,
  overloadCode,
  relayAgentCode,
  snameBytes,
} from "./packet.ts";

/** The message, and the options left out of it for want of room. */
export type Encoded = { bytes: Uint8Array; dropped: readonly number[] };

/** RFC 951 section 3: BOOTP messages are 300 bytes at least, and some relays and ROMs hold us to it. */
const minBytes = 300;
/** IPv4 and UDP headers, which option 57 counts in (RFC 2131 section 2: 576 is an IP datagram's size). */
const ipUdpBytes = 28;
const smallestLimit = 576;
/** Fragments are lost on firmware: nothing longer than one Ethernet frame, whatever the client says it takes. */
const largestLimit = 1500;
/** An end option in each field, and option 52 with its length and value. */
const endBytes = 1;
const overloadBytes = 3;
/** RFC 3396 section 6: what is longer goes in pieces, one after the other. */
const pieceBytes = 255;

const nothing: readonly number[] = [];

/** The longest message a client takes, by its option 57; EDK2 says 65280 in its REQUEST. */
export function replyLimit(maxMessageBytes: number | undefined): number {
  const asked = maxMessageBytes ?? smallestLimit;
  return Math.min(Math.max(asked, smallestLimit), largestLimit) - ipUdpBytes;
}

/**
 * Writes a message of at most `maxBytes`: options in table order, unknown ones by number, 82 last. What does not fit
 * goes into `file` and `sname` if they are empty (option 52), and what does not fit there either is left out.
 * `writer`: one to be used again, whose earlier message is overwritten.
 */
export function encode(
  packet: DhcpPacket,
  maxBytes: number = replyLimit(largestLimit),
  writer: ByteWriter = new ByteWriter(),
): Encoded {
  const { codes, values } = inOrder(packet.options);
  let size = headerBytes + endBytes;
  for (const value of values) size += sizeOf(value);
  writer.reset();
  writeHeader(writer, packet);
  if (size > maxBytes) return encodeCrowded(writer, packet, { codes, values }, maxBytes);
  writeText(writer, packet.sname, snameBytes);
  writeText(writer, packet.file, fileBytes);
  writer.u32(magicCookie);
  for (let at = 0; at < codes.length; at += 1) {
    writeOption(writer, codes[at] ?? 0, values[at] ?? noBytes);
  }
  return finish(writer, nothing);
}

/** Options with their values beside them. */
type InOrder = { codes: readonly number[]; values: readonly Uint8Array[] };

const noBytes = new Uint8Array();

/** Insertion sort: there are a dozen, and those who put a reply together write them nearly in order. */
function inOrder(options: ReadonlyMap<number, Uint8Array>): InOrder {
  const codes: number[] = [];
  const values: Uint8Array[] = [];
  for (const [code, value] of options) {
    let at = codes.length;
    codes.push(code);
    values.push(value);
    for (; at > 0; at -= 1) {
      const before = codes[at - 1] ?? 0;
      if (wireOrder(before, code) <= 0) break;
      codes[at] = before;
      values[at] = values[at - 1] ?? noBytes;
    }
    codes[at] = code;
    values[at] = value;
  }
  return { codes, values };
}

/** With more options than the options field has room for. */
function encodeCrowded(
  writer: ByteWriter,
  packet: DhcpPacket,
  { codes, values }: InOrder,
  maxBytes: number,
): Encoded {
  const options = codes.map((code, at): Placed => ({ code, value: values[at] ?? noBytes }));
  const layout = place(options, packet, maxBytes - headerBytes - endBytes);
  if (layout.sname.length === 0) writeText(writer, packet.sname, snameBytes);
  else writeField(writer, layout.sname, snameBytes);
  if (layout.file.length === 0) writeText(writer, packet.file, fileBytes);
  else writeField(writer, layout.file, fileBytes);
  writer.u32(magicCookie);
  for (const { code, value } of layout.main) writeOption(writer, code, value);
  return finish(writer, layout.dropped);
}

function finish(writer: ByteWriter, dropped: readonly number[]): Encoded {
  writer.u8(endCode);
  if (writer.length < minBytes) writer.zeros(minBytes - writer.length);
  return { bytes: writer.finish(), dropped };
}

type Placed = { code: number; value: Uint8Array };
type Layout = { main: Placed[]; file: Placed[]; sname: Placed[]; dropped: number[] };

/** `room`: bytes for options in the options field. */
function place(options: readonly Placed[], packet: DhcpPacket, room: number): Layout {
  const layout: Layout = { main: [], file: [], sname: [], dropped: [] };
  // The relay's own option comes back whole or the relay drops the reply (RFC 3046 section 2.1.1): its room is kept.
  const relayAgent = packet.options.get(relayAgentCode);
  let mainRoom = room - overloadBytes - (relayAgent === undefined ? 0 : sizeOf(relayAgent));
  let fileRoom = packet.file === "" ? fileBytes - endBytes : 0;
  let snameRoom = packet.sname === "" ? snameBytes - endBytes : 0;
  for (const entry of options) {
    const size = sizeOf(entry.value);
    if (entry.code === relayAgentCode) {
      layout.main.push(entry);
    } else if (size <= mainRoom) {
      layout.main.push(entry);
      mainRoom -= size;
    } else if (size <= fileRoom) {
      layout.file.push(entry);
      fileRoom -= size;
    } else if (size <= snameRoom) {
      layout.sname.push(entry);
      snameRoom -= size;
    } else {
      layout.dropped.push(entry.code);
    }
  }
  const overload = (layout.file.length > 0 ? 1 : 0) + (layout.sname.length > 0 ? 2 : 0);
  if (overload > 0) layout.main.splice(1, 0, { code: overloadCode, value: Uint8Array.of(overload) });
  return layout;
}

function writeOption(writer: ByteWriter, code: number, value: Uint8Array): void {
  if (value.length <= pieceBytes) {
    writer.u8(code).u8(value.length).bytes(value);
    return;
  }
  for (let at = 0; at < value.length; at += pieceBytes) {
    const part = value.subarray(at, at + pieceBytes);
    writer.u8(code).u8(part.length).bytes(part);
  }
}

/** On the wire, with a code and a length before each piece. */
function sizeOf(value: Uint8Array): number {
  return value.length + 2 * Math.max(1, Math.ceil(value.length / pieceBytes));
}

function writeHeader(writer: ByteWriter, packet: DhcpPacket): void {
  writer.u8(packet.op).u8(packet.htype).u8(packet.hlen).u8(packet.hops);
  writer.u32(packet.xid).u16(packet.secs).u16(packet.flags);
  writeAddress(writer, packet.ciaddr);
  writeAddress(writer, packet.yiaddr);
  writeAddress(writer, packet.siaddr);
  writeAddress(writer, packet.giaddr);
  writer.bytes(packet.chaddr);
}

function writeAddress(writer: ByteWriter, address: DhcpPacket["ciaddr"]): void {
  writer.u32(address === noAddress ? 0 : ipv4ToNumber(address));
}

/** Cut to fit, with a NUL at the end as some firmware needs it. */
function writeText(writer: ByteWriter, value: string, width: number): void {
  if (value === "") {
    writer.zeros(width);
    return;
  }
  const bytes = Buffer.from(value, "latin1").subarray(0, width - 1);
  writer.bytes(bytes).zeros(width - bytes.length);
}

function writeField(writer: ByteWriter, options: readonly Placed[], width: number): void {
  const end = writer.length + width;
  for (const { code, value } of options) writeOption(writer, code, value);
  writer.u8(endCode);
  writer.zeros(end - writer.length);
}
