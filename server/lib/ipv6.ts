import { type Ipv4, ipv4ToNumber, parseIpv4 } from "./ipv4.ts";

/** An IPv6 address in the one form of RFC 5952: lower case, the longest run of zeros as `::`. */
export type Ipv6 = string & { readonly __brand: "Ipv6" };

/** An address of either family. */
export type Ip = Ipv4 | Ipv6;

/** A network of 64 bits, the size every link has (RFC 4291 section 2.5.1), by its lowest address. */
export type Ipv6Prefix = { base: Ipv6; bits: 64 };

const groupCount = 8;

/** Undefined when the text is no IPv6 address. A dotted quad at the end is read; a zone (`%eth0`) is none of an address. */
export function parseIpv6(text: string): Ipv6 | undefined {
  const groups = readGroups(text.toLowerCase());
  return groups === undefined ? undefined : formatGroups(groups);
}

/** The address in 16 bytes of a packet. */
export function ipv6ToBytes(ip: Ipv6): Uint8Array {
  const groups = readGroups(ip) ?? [];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

export function ipv6FromBytes(bytes: Uint8Array): Ipv6 {
  const groups = Array.from(
    { length: groupCount },
    (_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0),
  );
  return formatGroups(groups);
}

/** Reads `fd77::/64`; undefined unless it is the lowest address of a network of 64 bits. */
export function parseIpv6Prefix(text: string): Ipv6Prefix | undefined {
  const base = text.endsWith("/64") ? parseIpv6(text.slice(0, -3)) : undefined;
  return base === undefined || ipv6ToBytes(base).subarray(8).some(Boolean) ? undefined : { base, bits: 64 };
}

/** The network of 64 bits that an address is in. */
export function prefixOf(ip: Ipv6): Ipv6Prefix {
  const bytes = ipv6ToBytes(ip);
  return { base: ipv6FromBytes(bytes.fill(0, 8)), bits: 64 };
}

/** True for `fe80::/10`: an address that means something on one link only (RFC 4291 section 2.5.6). */
export function isLinkLocal(ip: Ipv6): boolean {
  const [first = 0, second = 0] = ipv6ToBytes(ip);
  return first === 0xfe && (second & 0xc0) === 0x80;
}

function readGroups(text: string): number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(readHalf);
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  if (tail === undefined) return head.length === groupCount ? head : undefined;
  const zeros = groupCount - head.length - tail.length;
  // `::` stands for one group at least (RFC 5952 section 4.2.2 forbids writing one so; reading it is harmless).
  return zeros < 1 ? undefined : [...head, ...Array.from({ length: zeros }, () => 0), ...tail];
}

function readHalf(text: string, at: number, halves: readonly string[]): number[] | undefined {
  if (text === "") return halves.length === 2 ? [] : undefined;
  const words = text.split(":");
  const groups: number[] = [];
  for (const [index, word] of words.entries()) {
    const last = index === words.length - 1 && at === halves.length - 1;
    const quad = last ? parseIpv4(word) : undefined;
    if (quad !== undefined) {
      const value = ipv4ToNumber(quad);
      groups.push(value >>> 16, value & 0xffff);
    } else if (/^[0-9a-f]{1,4}$/.test(word)) {
      groups.push(Number.parseInt(word, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

function formatGroups(groups: readonly number[]): Ipv6 {
  const words = groups.map((group) => group.toString(16));
  const { start, length } = longestZeros(groups);
  if (length < 2) return words.join(":") as Ipv6;
  return `${words.slice(0, start).join(":")}::${words.slice(start + length).join(":")}` as Ipv6;
}

/** RFC 5952 section 4.2.3: the longest run, the first of two as long. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let at = 0; at <= groups.length; at += 1) {
    if (groups[at] === 0) continue;
    if (at - start > best.length) best = { start, length: at - start };
    start = at + 1;
  }
  return best;
}
