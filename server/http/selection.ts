import type { IncomingHttpHeaders } from "node:http";
import { parseHttpDate } from "./http-date.ts";

/** What a client may have another version of. */
export type Representation = {
  sizeBytes: number;
  /** Strong, with its quotes. */
  etag: string;
  modifiedAtMs: number;
};

/** What of it a request gets; `to` is the offset behind the last byte. */
export type Selection =
  | { status: 200; from: 0; to: number }
  | { status: 206; from: number; to: number }
  | { status: 304 }
  | { status: 412 }
  | { status: 416 };

type Headers = Pick<
  IncomingHttpHeaders,
  "if-match" | "if-none-match" | "if-modified-since" | "if-unmodified-since" | "range"
> & { "if-range"?: string | string[] | undefined };

/** Conditions first, then the range, in the order of RFC 9110 section 13.2.2. */
export function select(
  method: "GET" | "HEAD",
  headers: Headers,
  given: Representation,
  nowMs: number,
): Selection {
  const failed = failedCondition(headers, given, nowMs);
  if (failed !== undefined) return { status: failed };
  const { range } = headers;
  const whole = { status: 200, from: 0, to: given.sizeBytes } as const;
  // Section 14.2: a Range with any other method than GET means nothing.
  if (range === undefined || method === "HEAD") return whole;
  const ifRange = headers["if-range"];
  if (ifRange !== undefined && !holdsIfRange(String(ifRange), given, nowMs)) return whole;
  const asked = parseRange(range);
  return asked === undefined ? whole : slice(asked, given.sizeBytes);
}

function failedCondition(headers: Headers, given: Representation, nowMs: number): 304 | 412 | undefined {
  const date = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : parseHttpDate(text, nowMs);
  const modifiedAtMs = wholeSeconds(given.modifiedAtMs);
  if (headers["if-match"] !== undefined) {
    if (!matches(headers["if-match"], given.etag, false)) return 412;
  } else {
    const since = date(headers["if-unmodified-since"]);
    if (since !== undefined && modifiedAtMs > since) return 412;
  }
  if (headers["if-none-match"] !== undefined)
    return matches(headers["if-none-match"], given.etag, true) ? 304 : undefined;
  const since = date(headers["if-modified-since"]);
  return since !== undefined && modifiedAtMs <= since ? 304 : undefined;
}

/** A list of entity tags, or `*`. A weak one is the same as ours only where the comparison is weak (section 8.8.3.2). */
function matches(list: string, etag: string, weakly: boolean): boolean {
  if (list.trim() === "*") return true;
  const tags = list.match(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g) ?? [];
  return tags.some((tag) => tag === etag || (weakly && tag === `W/${etag}`));
}

/** Section 13.1.5: only a strong validator will do, so that no two versions are ever joined. */
function holdsIfRange(validator: string, given: Representation, nowMs: number): boolean {
  if (validator.includes('"')) return validator === given.etag;
  return parseHttpDate(validator, nowMs) === wholeSeconds(given.modifiedAtMs) && isSettled(given, nowMs);
}

/**
 * True once the second of the last change is over. Before, a date would not tell two changes apart (section 8.8.2.2), so
 * none is given out.
 */
export function isSettled({ modifiedAtMs }: Representation, nowMs: number): boolean {
  return wholeSeconds(nowMs) > wholeSeconds(modifiedAtMs);
}

function wholeSeconds(ms: number): number {
  return ms - (ms % 1000);
}

/** `from` to `last`, to the end where there is none; or the last so many bytes. */
type AskedRange = { from: number; last: number | undefined } | { lastBytes: number };

/**
 * Reads a Range field. Undefined, which means the whole: other units, malformed ones, and several ranges at once, which
 * no loader asks for and a server may ignore (section 14.2).
 */
function parseRange(text: string): AskedRange | undefined {
  const ranges = /^bytes=(?<list>.*)$/i.exec(text)?.groups?.["list"]?.split(",");
  const [range, ...others] = (ranges ?? []).map((each) => each.trim()).filter((each) => each !== "");
  const found = /^(?<from>\d*)-(?<last>\d*)$/.exec(range ?? "")?.groups;
  const [from, last] = [found?.["from"] ?? "", found?.["last"] ?? ""];
  if (others.length > 0 || (from === "" && last === "")) return undefined;
  if (from === "") return { lastBytes: Number(last) };
  if (last === "") return { from: Number(from), last: undefined };
  return Number(last) < Number(from) ? undefined : { from: Number(from), last: Number(last) };
}

function slice(asked: AskedRange, sizeBytes: number): Selection {
  if ("lastBytes" in asked) {
    if (asked.lastBytes === 0) return { status: 416 };
    // The last bytes of nothing are all of it, and Content-Range has no way to say so.
    if (sizeBytes === 0) return { status: 200, from: 0, to: 0 };
    return { status: 206, from: Math.max(0, sizeBytes - asked.lastBytes), to: sizeBytes };
  }
  if (asked.from >= sizeBytes) return { status: 416 };
  return { status: 206, from: asked.from, to: Math.min(sizeBytes, (asked.last ?? Infinity) + 1) };
}
