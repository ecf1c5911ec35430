import { type TftpOption, defaultBlockBytes } from "./packet.ts";

/** What the server agrees to at most. */
export type NegotiationLimits = {
  /** One frame's worth, so that no block is cut into IP fragments, which boot ROMs may not put together. */
  blockBytes: number;
  windowBlocks: number;
  /** Bounds what one client may have in flight, whatever the block size. */
  windowBytes: number;
};

/** What both sides now hold to. */
export type Agreement = {
  blockBytes: number;
  windowBlocks: number;
  /** The client's wish (RFC 2349); undefined: none agreed. */
  timeoutMs: number | undefined;
  /** To be acknowledged with an OACK; empty: the transfer begins with DATA (RFC 2347). */
  oack: readonly TftpOption[];
};

type Terms = { blockBytes: number; windowBlocks: number; timeoutMs: number | undefined };
type Row = {
  name: string;
  /** The value to acknowledge, or undefined to leave the option out. */
  accept: (value: number, terms: Terms, size: number, limits: NegotiationLimits) => number | undefined;
};

/** In the order of the OACK. The block size stands before the window, which depends on it. */
const table: readonly Row[] = [
  { name: "blksize", accept: acceptBlockSize },
  { name: "timeout", accept: acceptTimeout },
  // A reader sends 0 (RFC 2349); clients that send something else want the size as well.
  { name: "tsize", accept: (_value, _terms, size) => size },
  { name: "windowsize", accept: acceptWindow },
];

/**
 * Answers a read request's options (RFC 2347). Names are compared without case and echoed as the client wrote them. A
 * value outside its RFC's range, or no number at all, is left out like an unknown option: the default then holds.
 */
export function negotiate(
  options: readonly TftpOption[],
  sizeBytes: number,
  limits: NegotiationLimits,
): Agreement {
  const terms: Terms = { blockBytes: defaultBlockBytes, windowBlocks: 1, timeoutMs: undefined };
  const oack: TftpOption[] = [];
  for (const row of table) {
    // RFC 2347: an option may be given once; a second one is not looked at.
    const option = options.find(({ name }) => name.toLowerCase() === row.name);
    const value = option === undefined ? undefined : readNumber(option.value);
    if (option === undefined || value === undefined) continue;
    const accepted = row.accept(value, terms, sizeBytes, limits);
    if (accepted !== undefined) oack.push({ name: option.name, value: String(accepted) });
  }
  return { ...terms, oack };
}

/** RFC 2348: 8 to 65464; the answer may be smaller. */
function acceptBlockSize(
  value: number,
  terms: Terms,
  _size: number,
  limits: NegotiationLimits,
): number | undefined {
  if (value < 8 || value > 65464) return undefined;
  terms.blockBytes = Math.min(value, limits.blockBytes);
  return terms.blockBytes;
}

/** RFC 2349: 1 to 255 seconds; the answer must be the same. */
function acceptTimeout(value: number, terms: Terms): number | undefined {
  if (value < 1 || value > 255) return undefined;
  terms.timeoutMs = value * 1000;
  return value;
}

/** RFC 7440: 1 to 65535; the answer may be smaller. */
function acceptWindow(
  value: number,
  terms: Terms,
  _size: number,
  limits: NegotiationLimits,
): number | undefined {
  if (value < 1 || value > 65535) return undefined;
  const affordable = Math.max(1, Math.floor(limits.windowBytes / terms.blockBytes));
  terms.windowBlocks = Math.min(value, limits.windowBlocks, affordable);
  return terms.windowBlocks;
}

function readNumber(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}
