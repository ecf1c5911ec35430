/** The sum of the 16-bit words from `from` on (RFC 1071), added to `sum`; an odd last byte counts as the upper half. */
export function addWords(bytes: Buffer, from: number, to: number, sum = 0): number {
  let total = sum;
  let at = from;
  for (; at + 1 < to; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return at < to ? total + ((bytes[at] ?? 0) << 8) : total;
}

/** The checksum of a sum: folded to 16 bits, and the other way round. */
export function checksumOf(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}
