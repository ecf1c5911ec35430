import { ByteWriter } from "../lib/bytes.ts";
import { ipv4ToNumber } from "../lib/ipv4.ts";
import { wireOrder } from "./option-table.ts";
import {
  type DhcpPacket,
  endCode,
  fileBytes,
  headerBytes,
  magicCookie,
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

/** The longest message a client takes, by its option 57; EDK2 says 65280 in its REQUEST. */
export function replyLimit(maxMessageBytes: number | undefined): number {
  const asked = maxMessageBytes ?? smallestLimit;
  return Math.min(Math.max(asked, smallestLimit), largestLimit) - ipUdpBytes;
}

/**
 * Writes a message of at most `maxBytes`: options in table order, unknown ones by number, 82 last. What does not fit
 * goes into `file` and `sname` if they are empty (option 52), and what does not fit there either is left out.
 */
export function encode(packet: DhcpPacket, maxBytes: number = replyLimit(largestLimit)): Encoded {
  const options = [...packet.options]
    .map(([code, value]) => ({ code, value, size: value.length + 2 * piecesOf(value) }))
    .sort((left, right) => wireOrder(left.code, right.code));
  const layout = place(options, packet, maxBytes - headerBytes - endBytes);
  const writer = new ByteWriter();
  writeHeader(writer, packet);
  if (layout.sname.length === 0) writeText(writer, packet.sname, snameBytes);
  else writeField(writer, layout.sname, snameBytes);
  if (layout.file.length === 0) writeText(writer, packet.file, fileBytes);
  else writeField(writer, layout.file, fileBytes);
  writer.u32(magicCookie);
  for (const entry of layout.main) writeOption(writer, entry);
  writer.u8(endCode);
  if (writer.length < minBytes) writer.zeros(minBytes - writer.length);
  return { bytes: writer.finish(), dropped: layout.dropped };
}

/** `size`: on the wire, with a code and a length before each piece. */
type Placed = { code: number; value: Uint8Array; size: number };
type Layout = { main: Placed[]; file: Placed[]; sname: Placed[]; dropped: number[] };

/** `room`: bytes for options in the options field. */
function place(options: readonly Placed[], packet: DhcpPacket, room: number): Layout {
  if (options.reduce((sum, entry) => sum + entry.size, 0) <= room) {
    return { main: [...options], file: [], sname: [], dropped: [] };
  }
  const layout: Layout = { main: [], file: [], sname: [], dropped: [] };
  // The relay's own option comes back whole or the relay drops the reply (RFC 3046 section 2.1.1): its room is kept.
  const relayBytes = options.find((entry) => entry.code === relayAgentCode)?.size ?? 0;
  let mainRoom = room - overloadBytes - relayBytes;
  let fileRoom = packet.file === "" ? fileBytes - endBytes : 0;
  let snameRoom = packet.sname === "" ? snameBytes - endBytes : 0;
  for (const entry of options) {
    const { size } = entry;
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
  if (overload > 0) {
    layout.main.splice(1, 0, { code: overloadCode, value: Uint8Array.of(overload), size: overloadBytes });
  }
  return layout;
}

/** Longer than 255 bytes: in pieces, one after the other (RFC 3396 section 6). */
function writeOption(writer: ByteWriter, { code, value }: Placed): void {
  for (let piece = 0; piece < piecesOf(value); piece += 1) {
    const part = value.length <= 255 ? value : value.subarray(piece * 255, (piece + 1) * 255);
    writer.u8(code).u8(part.length).bytes(part);
  }
}

function piecesOf(value: Uint8Array): number {
  return Math.max(1, Math.ceil(value.length / 255));
}

function writeHeader(writer: ByteWriter, packet: DhcpPacket): void {
  writer.u8(packet.op).u8(packet.htype).u8(packet.hlen).u8(packet.hops);
  writer.u32(packet.xid).u16(packet.secs).u16(packet.flags);
  for (const address of [packet.ciaddr, packet.yiaddr, packet.siaddr, packet.giaddr]) {
    writer.u32(ipv4ToNumber(address));
  }
  writer.bytes(packet.chaddr);
}

/** Cut to fit, with a NUL at the end as some firmware needs it. */
function writeText(writer: ByteWriter, value: string, width: number): void {
  const bytes = Buffer.from(value, "latin1").subarray(0, width - 1);
  writer.bytes(bytes).zeros(width - bytes.length);
}

function writeField(writer: ByteWriter, options: readonly Placed[], width: number): void {
  const end = writer.length + width;
  for (const entry of options) writeOption(writer, entry);
  writer.u8(endCode);
  writer.zeros(end - writer.length);
}
