/** struct mmsghdr and struct iovec (recvmmsg(2), readv(2)) of 64-bit Linux, in 32-bit words. */
export const messageWords = 16;
export const message = {
  name: 0,
  nameLength: 2,
  vector: 4,
  vectorLength: 6,
  control: 8,
  controlLength: 10,
  flags: 12,
  /** Bytes received or sent. */
  length: 14,
} as const;
export const vectorWords = 4;
export const vector = { base: 0, length: 2 } as const;

export const MSG_TRUNC = 0x20;

/** A number's bytes in the other order: an address between our order and the network's. */
export function swapped(value: number): number {
  return ((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}
