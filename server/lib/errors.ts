/** What went wrong, as a closed list. Each code has one HTTP status and one exit status, in the tables below. */
export type ErrorCode =
  | "invalid" // a value from outside is wrong; `faults` lists each
  | "not-found"
  | "conflict" // the request is well formed but clashes with what is there
  | "forbidden"
  | "unavailable" // not now: busy, locked, still starting
  | "environment" // the machine lacks something: a capability, a program, a free port
  | "internal";

/** One fault in something that came from outside, with its place. */
export type Fault = {
  /** Where: a flag (`--ip`), a key path (`nfs.backend`), a file and line (`provision.yaml:12`). */
  place: string;
  message: string;
};

/** The error every part throws on purpose; anything else that escapes is a defect. */
export class AppError extends Error {
  readonly code: ErrorCode;
  /** Every fault found, not only the first. */
  readonly faults: readonly Fault[];
  /** What the reader can do about it, as a sentence or a command line. */
  readonly hint: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { faults?: readonly Fault[]; hint?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.faults = options.faults ?? [];
    this.hint = options.hint;
  }
}

/** HTTP status of each code (RFC 9110). */
export const httpStatusOf: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  "not-found": 404,
  conflict: 409,
  forbidden: 403,
  unavailable: 503,
  environment: 500,
  internal: 500,
};

/** Exit status of each code: 2 for what the caller wrote wrongly, 1 for the rest. */
export const exitStatusOf: Readonly<Record<ErrorCode, number>> = {
  invalid: 2,
  "not-found": 1,
  conflict: 1,
  forbidden: 1,
  unavailable: 1,
  environment: 1,
  internal: 1,
};

export type DecodeCode = "truncated" | "bad-value" | "unsupported" | "too-long";

/** The only error a packet decoder throws. */
export class DecodeError extends Error {
  readonly code: DecodeCode;
  /** Byte offset in the packet at which decoding stopped. */
  readonly offset: number;

  constructor(code: DecodeCode, offset: number, message: string) {
    super(`${message} (at byte ${offset})`);
    this.name = "DecodeError";
    this.code = code;
    this.offset = offset;
  }
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The errno name (`ENOENT`, `EADDRINUSE`) of a system error, if it is one. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}
