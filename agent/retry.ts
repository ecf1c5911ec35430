/** How long to wait before trying again, in milliseconds. */
export type Backoff = { firstMs: number; mostMs: number };

/** The head does not answer: it restarts, or is down for minutes. A node is back within seconds of its return. */
export const unansweredBackoff: Backoff = { firstMs: 500, mostMs: 4000 };

/** The head answers and refuses: only a person or another boot changes that. */
export const refusedBackoff: Backoff = { firstMs: 10_000, mostMs: 60_000 };

/**
 * The wait before try `attempt + 1`, which doubles from try to try. `chance` (0 to 1) picks from its upper half, so that a
 * rack that lost its head at one moment does not come back to it at one moment.
 */
export function retryDelayMs({ firstMs, mostMs }: Backoff, attempt: number, chance: number): number {
  const wholeMs = Math.min(mostMs, firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(wholeMs * (0.5 + chance / 2));
}
