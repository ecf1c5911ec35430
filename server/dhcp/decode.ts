import { ByteReader } from "../lib/bytes.ts";
import { DecodeError } from "../lib/errors.ts";
import { ipv4FromNumber } from "../lib/ipv4.ts";
import {
  type DhcpPacket,
  endCode,
  fileBytes,
  magicCookie,
  overloadCode,
  padCode,
  snameBytes,
} from "./packet.ts";

/** Pieces of each option, in the order in which they are joined. */
type Pieces = Map<number, Uint8Array[]>;

// RFC 2132 section 9.3.
const overloadFile = 1;
const overloadSname = 2;

/**
 * Reads a DHCP message; throws DecodeError and nothing else. What the options mean is checked when they are read.
 * A missing end option is forgiven when the packet stops between two options: some embedded stacks leave it out.
 */
export function decode(bytes: Uint8Array): DhcpPacket {
  const reader = new ByteReader(bytes);
  const header = readHeader(reader);
  const sname = reader.bytes(snameBytes);
  const file = reader.bytes(fileBytes);
  const cookieAt = reader.offset;
  if (reader.u32() !== magicCookie) {
    throw new DecodeError("unsupported", cookieAt, "no DHCP cookie: plain BOOTP or no DHCP at all");
  }
  const pieces: Pieces = new Map();
  readOptions(reader, cookieAt + 4, pieces);
  const overload = readOverload(pieces, cookieAt);
  // RFC 3396 section 5: the options field first, then `file`, then `sname`.
  if (overload & overloadFile) readOptions(new ByteReader(file), cookieAt - fileBytes, pieces);
  if (overload & overloadSname) {
    readOptions(new ByteReader(sname), cookieAt - fileBytes - snameBytes, pieces);
  }
  pieces.delete(overloadCode);
  return {
    ...header,
    sname: overload & overloadSname ? "" : fieldText(sname),
    file: overload & overloadFile ? "" : fieldText(file),
    options: new Map([...pieces].map(([code, parts]) => [code, joined(parts)])),
  };
}

function readHeader(reader: ByteReader): Omit<DhcpPacket, "sname" | "file" | "options"> {
  const op = reader.u8();
  const htype = reader.u8();
  const hlen = reader.u8();
  if (hlen > 16) throw new DecodeError("bad-value", 2, `hardware address of ${hlen} bytes, 16 at most`);
  return {
    op,
    htype,
    hlen,
    hops: reader.u8(),
    xid: reader.u32(),
    secs: reader.u16(),
    flags: reader.u16(),
    ciaddr: ipv4FromNumber(reader.u32()),
    yiaddr: ipv4FromNumber(reader.u32()),
    siaddr: ipv4FromNumber(reader.u32()),
    giaddr: ipv4FromNumber(reader.u32()),
    chaddr: reader.bytes(16),
  };
}

/** `fieldAt`: where the field begins in the packet, for error offsets. */
function readOptions(reader: ByteReader, fieldAt: number, pieces: Pieces): void {
  const base = fieldAt - reader.offset;
  while (reader.remaining > 0) {
    const at = reader.offset;
    const code = reader.u8();
    if (code === padCode) continue;
    if (code === endCode) return;
    const length = reader.remaining > 0 ? reader.u8() : undefined;
    if (length === undefined || length > reader.remaining) {
      throw new DecodeError("truncated", base + at, `option ${code} runs past the end`);
    }
    const value = reader.bytes(length);
    const earlier = pieces.get(code);
    if (earlier === undefined) pieces.set(code, [value]);
    else earlier.push(value);
  }
}

function readOverload(pieces: Pieces, offset: number): number {
  const parts = pieces.get(overloadCode);
  if (parts === undefined) return 0;
  const [value] = parts;
  const bits = value?.[0] ?? 0;
  if (parts.length > 1 || value?.length !== 1 || bits < 1 || bits > 3) {
    throw new DecodeError("bad-value", offset, "option 52 must be one byte, 1 to 3");
  }
  return bits;
}

function fieldText(field: Uint8Array): string {
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString("latin1");
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}
