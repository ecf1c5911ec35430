/** The time, as an argument: decisions never read the system clock themselves. */
export type Clock = {
  /** Milliseconds since 1970-01-01 UTC. */
  nowMs: () => number;
};

export const systemClock: Clock = { nowMs: () => Date.now() };
