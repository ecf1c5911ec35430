import type { DecodeCode } from "../lib/errors.ts";

/** Everything since the start, but for `active`. */
export type TftpCounters = {
  /** Transfers under way. */
  active: number;
  requests: number;
  /** Requests that came again while their first was being served. */
  duplicates: number;
  /** Requests left unanswered because of a limit: the client asks again. */
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
  /** Datagrams thrown away; "unexpected": well formed, but nothing this port serves. */
  dropped: Record<DecodeCode | "unexpected", number>;
};

export function zeroCounters(): TftpCounters {
  return {
    active: 0,
    requests: 0,
    duplicates: 0,
    busy: 0,
    writesRefused: 0,
    refused: 0,
    done: 0,
    aborted: 0,
    failed: 0,
    bytes: 0,
    repeats: 0,
    socketErrors: 0,
    dropped: { truncated: 0, "bad-value": 0, unsupported: 0, "too-long": 0, unexpected: 0 },
  };
}
