/** Smoothed round-trip time and its variation (RFC 6298 section 2). */
export type RoundTrip = { smoothedMs: number; variationMs: number };

export type Patience = {
  /**
   * Never repeat sooner than this. Boot ROMs that write each block to slow memory, or that run in an emulator, stall for
   * tens of milliseconds; a repeat that comes too soon does no harm but costs a block.
   */
  floorMs: number;
  /**
   * Before anything has been measured. Half of RFC 6298's second (section 2.1), which is for the whole internet: it doubles
   * with each loss, and three first answers lost in a row make 3.5 s of waiting instead of 7.
   */
  initialMs: number;
  /** Never wait longer than this between two repeats. */
  ceilingMs: number;
  /** Repeats without an answer before the client counts as gone. */
  repeats: number;
  /** A whole transfer, however slowly its client reads. */
  totalMs: number;
};

/** 11 repeats from 0.05 s on take 31 s, longer than a switch port needs to come back. */
export const defaultPatience: Patience = {
  floorMs: 50,
  initialMs: 500,
  ceilingMs: 5000,
  repeats: 11,
  totalMs: 30 * 60_000,
};

/** Takes in one measurement (RFC 6298 section 2.2 and 2.3). */
export function measure(previous: RoundTrip | undefined, sampleMs: number): RoundTrip {
  if (previous === undefined) return { smoothedMs: sampleMs, variationMs: sampleMs / 2 };
  const deviationMs = Math.abs(previous.smoothedMs - sampleMs);
  return {
    variationMs: 0.75 * previous.variationMs + 0.25 * deviationMs,
    smoothedMs: 0.875 * previous.smoothedMs + 0.125 * sampleMs,
  };
}

/**
 * Whether the answer to what was sent again came as soon as answers do: then the first was lost, and the way is no slower
 * than it was measured. A slow client's answer to the first comes long after the repeat, and the longer wait stays.
 */
export function isPrompt(trip: RoundTrip | undefined, elapsedMs: number): boolean {
  return trip !== undefined && elapsedMs <= 2 * trip.smoothedMs + 5;
}

/** How long to wait for an answer; `doublings`: timeouts since the last clean measurement (RFC 6298 section 5.5). */
export function waitMs(trip: RoundTrip | undefined, doublings: number, patience: Patience): number {
  const baseMs =
    trip === undefined
      ? patience.initialMs
      : Math.max(patience.floorMs, trip.smoothedMs + 4 * trip.variationMs);
  return Math.min(patience.ceilingMs, baseMs * 2 ** Math.min(doublings, 16));
}
