import { DecodeError } from "../lib/errors.ts";
import { type Ipv4, ipv4FromNumber } from "../lib/ipv4.ts";
import {
  type DhcpPacket,
  cookieAt,
  endCode,
  headerBytes,
  magicCookie,
  noAddress,
  overloadCode,
  padCode,
  snameBytes,
} from "./packet.ts";

/** Values of options by code; those that came in several pieces once more, every piece in the order of arrival. */
type Found = { options: Map<number, Uint8Array>; pieces: Map<number, Uint8Array[]> | undefined };

// RFC 2132 section 9.3.
const overloadFile = 1;
const overloadSname = 2;

// RFC 2131 section 2, figure 1: offsets of the fields.
const chaddrAt = 28;
const chaddrBytes = 16;
const snameAt = chaddrAt + chaddrBytes;
const fileAt = snameAt + snameBytes;

/**
 * Reads a DHCP or BOOTP message; throws DecodeError and nothing else. What the options mean is checked when they are read.
 * A missing end option is forgiven when the packet stops between two options: some embedded stacks leave it out.
 * Fields and options are views of `bytes`, not copies.
 */
export function decode(bytes: Uint8Array): DhcpPacket {
  // A client of BOOTP that has nothing to say may leave out its vendor field (klibc's ipconfig does).
  if (bytes.length < cookieAt) {
    throw new DecodeError("truncated", bytes.length, `${cookieAt} bytes wanted, ${bytes.length} there`);
  }
  const hlen = bytes[2] ?? 0;
  if (hlen > chaddrBytes)
    throw new DecodeError("bad-value", 2, `hardware address of ${hlen} bytes, 16 at most`);
  const found: Found = { options: new Map(), pieces: undefined };
  // Without the cookie it is BOOTP of before RFC 1048: the rest is in a vendor's own format, which is nobody's business.
  if (u32(bytes, cookieAt) === magicCookie) readOptions(bytes, headerBytes, bytes.length, found);
  const overload = readOverload(found);
  // RFC 3396 section 5: the options field first, then `file`, then `sname`.
  if (overload & overloadFile) readOptions(bytes, fileAt, cookieAt, found);
  if (overload & overloadSname) readOptions(bytes, snameAt, fileAt, found);
  if (overload !== 0) found.options.delete(overloadCode);
  if (found.pieces !== undefined) join(found.options, found.pieces);
  return {
    op: bytes[0] ?? 0,
    htype: bytes[1] ?? 0,
    hlen,
    hops: bytes[3] ?? 0,
    xid: u32(bytes, 4),
    secs: u16(bytes, 8),
    flags: u16(bytes, 10),
    ciaddr: address(bytes, 12),
    yiaddr: address(bytes, 16),
    siaddr: address(bytes, 20),
    giaddr: address(bytes, 24),
    chaddr: bytes.subarray(chaddrAt, snameAt),
    sname: overload & overloadSname ? "" : text(bytes, snameAt, fileAt),
    file: overload & overloadFile ? "" : text(bytes, fileAt, cookieAt),
    options: found.options,
  };
}

/** Reads the options from `start` up to an end option, or to `end`. */
function readOptions(bytes: Uint8Array, start: number, end: number, found: Found): void {
  let at = start;
  while (at < end) {
    const code = bytes[at] ?? 0;
    if (code === padCode) {
      at += 1;
      continue;
    }
    if (code === endCode) return;
    const valueAt = at + 2;
    const valueEnd = valueAt + (bytes[at + 1] ?? 0);
    if (valueAt > end || valueEnd > end) {
      throw new DecodeError("truncated", at, `option ${code} runs past the end`);
    }
    keep(found, code, bytes.subarray(valueAt, valueEnd));
    at = valueEnd;
  }
}

function keep(found: Found, code: number, value: Uint8Array): void {
  const earlier = found.options.get(code);
  if (earlier === undefined) {
    found.options.set(code, value);
    return;
  }
  found.pieces ??= new Map();
  const pieces = found.pieces.get(code);
  if (pieces === undefined) found.pieces.set(code, [earlier, value]);
  else pieces.push(value);
}

function join(options: Map<number, Uint8Array>, pieces: ReadonlyMap<number, readonly Uint8Array[]>): void {
  for (const [code, parts] of pieces) if (options.has(code)) options.set(code, Buffer.concat(parts));
}

/** What option 52 says; 0 when there is none. */
function readOverload({ options, pieces }: Found): number {
  const value = options.get(overloadCode);
  if (value === undefined) return 0;
  const bits = value[0] ?? 0;
  if (pieces?.has(overloadCode) === true || value.length !== 1 || bits < 1 || bits > 3) {
    throw new DecodeError("bad-value", cookieAt, "option 52 must be one byte, 1 to 3");
  }
  return bits;
}

/** Empty nearly always: nothing is made of it then. The last byte is the NUL's, whatever stands there. */
function text(bytes: Uint8Array, from: number, to: number): string {
  if (bytes[from] === 0) return "";
  const field = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from);
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end < 0 ? field.length - 1 : end);
}

function address(bytes: Uint8Array, at: number): Ipv4 {
  const value = u32(bytes, at);
  return value === 0 ? noAddress : ipv4FromNumber(value);
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function u32(bytes: Uint8Array, at: number): number {
  return ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;
}
