/**
 * When to start the NFS server again after it has died. Nodes hang on it, so the first tries come quickly; a server
 * that keeps dying is left in peace for longer and longer. After ten quick deaths in a row it counts as failed, and is
 * still tried once a minute: a rack is to recover by itself when whatever was wrong (a full disk, a missing directory)
 * has been put right.
 */

const firstDelayMs = 250;
const longestDelayMs = 30_000;

/** A server that ran for this long had started well: what went before it is forgotten. */
export const steadyMs = 60_000;

/** This many quick deaths in a row and the server counts as failed. */
export const deathLimit = 10;

/** How often a failed server is tried. */
export const failedDelayMs = 60_000;

export type RestartDecision = {
  kind: "retry" | "give-up";
  /** Start it again after this long. */
  afterMs: number;
  /** Quick deaths in a row, this one included. */
  deaths: number;
};

/** What to do after the last death. `ranMs`: how long each run lasted, oldest first; at least the last is needed. */
export function decideRestart(ranMs: readonly number[]): RestartDecision {
  const steady = ranMs.findLastIndex((ran) => ran >= steadyMs);
  // The death of a steady run is the first of a new row.
  const deaths = steady === -1 ? ranMs.length : ranMs.length - steady;
  if (deaths >= deathLimit) return { kind: "give-up", afterMs: failedDelayMs, deaths };
  const afterMs = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.max(0, deaths - 1));
  return { kind: "retry", afterMs, deaths };
}
