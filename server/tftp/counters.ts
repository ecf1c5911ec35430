import type { DecodeCode } from "../lib/errors.ts";

/** Everything since the start, but for `active` and `waiting`. */
export type TftpCounters = {
  /** Transfers under way. */
  active: number;
  /** Requests that wait for their turn. */
  waiting: number;
  requests: number;
  /** Requests that came again while their first was being served. */
  duplicates: number;
  /** Requests that had to wait because of a limit. */
  waited: number;
  /** Requests left unanswered: too many waited, or the client did not ask again while it did. */
  busy: number;
  writesRefused: number;
  refused: number;
  done: number;
  aborted: number;
  failed: number;
  /** Acknowledged by clients. */
  bytes: number;
  /** Windows that were sent again. */
  repeats: number;
  /** Datagrams the kernel would not send or receive. */
  socketErrors: number;
  /** Pieces of files that were in memory, and that were not. */
  chunkHits: number;
  chunkMisses: number;
  /**
   * Datagrams thrown away; "unexpected": well formed, but nothing this port serves; "stray": of no
   * transfer under way, as what comes late from one that has ended.
   */
  dropped: Record<DecodeCode | "unexpected" | "stray", number>;
};

export function zeroCounters(): TftpCounters {
  return {
    active: 0,
    waiting: 0,
    requests: 0,
    duplicates: 0,
    waited: 0,
    busy: 0,
    writesRefused: 0,
    refused: 0,
    done: 0,
    aborted: 0,
    failed: 0,
    bytes: 0,
    repeats: 0,
    socketErrors: 0,
    chunkHits: 0,
    chunkMisses: 0,
    dropped: { truncated: 0, "bad-value": 0, unsupported: 0, "too-long": 0, unexpected: 0, stray: 0 },
  };
}
