/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). For simulated chance, never for secrets. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** An unsigned 32-bit number. */
export function random32(random: () => number): number {
  return Math.floor(random() * 2 ** 32) >>> 0;
}

/** When each of `count` machines is switched on, in milliseconds: all at once, or a Poisson process. */
export function arrivalsMs(
  arrival: { kind: "all" } | { kind: "poisson"; perSecond: number },
  count: number,
  random: () => number,
): number[] {
  let atMs = 0;
  return Array.from({ length: count }, () => {
    if (arrival.kind === "poisson") atMs += (-Math.log(1 - random()) / arrival.perSecond) * 1000;
    return atMs;
  });
}
