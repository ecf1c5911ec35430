import { assertNever } from "../lib/assert.ts";
import { type TftpPacket, errorCodes } from "./packet.ts";
import { type Patience, type RoundTrip, isPrompt, measure, waitMs } from "./round-trip.ts";

/** What one transfer is about; fixed once its options are agreed. */
export type TransferPlan = {
  sizeBytes: number;
  blockBytes: number;
  windowBlocks: number;
  /** Whether an OACK comes before the first block. */
  offersOptions: boolean;
  patience: Patience;
};

export type TransferOutcome =
  /** The client acknowledged the last block. */
  | "done"
  /** The client said that it wants no more, or went on to something else. */
  | "aborted"
  /** The client fell silent, or the file could not be read. */
  | "failed";

/** What is under way and not answered yet. */
type Flight = {
  plan: TransferPlan;
  startedAtMs: number;
  sentAtMs: number;
  /** When to be stepped with "wake". */
  wakeAtMs: number;
  roundTrip: RoundTrip | undefined;
  /** Times this flight was sent again for want of an answer. */
  repeats: number;
  /** Doublings of the wait; kept over the next flight until a clean measurement (Karn's rule, RFC 6298 section 5). */
  doublings: number;
  /** Nothing in the flight was ever sent before: the answer to it may be measured. */
  clean: boolean;
};

/** Blocks are counted from 1 without the wire's roll-over. */
export type Transfer =
  | (Flight & { kind: "offering" })
  | (Flight & {
      kind: "sending";
      /** Every block up to here is acknowledged. */
      acked: number;
      /** Last block of the flight. */
      sent: number;
      /** Last block ever sent. */
      highest: number;
      /** How many blocks a flight may have: the window agreed on, fewer where blocks are lost (RFC 7440 section 6). */
      flightBlocks: number;
    })
  | { kind: "ended"; outcome: TransferOutcome; message: string | undefined; bytes: number };

export type TransferEvent =
  | { kind: "packet"; packet: TftpPacket; nowMs: number }
  | { kind: "wake"; nowMs: number }
  /** The same request came again from the same port: our first answer was lost or is late. */
  | { kind: "request-repeated"; nowMs: number }
  /** The client asks for something else by now. */
  | { kind: "client-left"; message: string }
  | { kind: "unreadable"; message: string }
  | { kind: "server-stops" };

export type TransferAction =
  | { kind: "send-oack" }
  /**
   * Blocks `from` to `to`, both included, and with `probe` the last of them twice. Replaces an earlier one that is not
   * carried out yet.
   */
  | { kind: "send-blocks"; from: number; to: number; probe: boolean }
  | { kind: "send-error"; code: number; message: string };

export type TransferStep = { state: Transfer; actions: readonly TransferAction[] };

type Sending = Extract<Transfer, { kind: "sending" }>;
type Offering = Extract<Transfer, { kind: "offering" }>;

/** Number of blocks: the last one is short, and empty where the size is a multiple (RFC 1350 section 6). */
export function blockCount(plan: TransferPlan): number {
  return Math.floor(plan.sizeBytes / plan.blockBytes) + 1;
}

/** The number a block has on the wire: it rolls over from 65535 to 0. */
export function wireBlock(block: number): number {
  return block & 0xffff;
}

/** Whether the client has acknowledged anything; until then its request may still come again. */
export function isAnswered(state: Transfer): boolean {
  // The ACK of an OACK is an acknowledgement too.
  return (
    state.kind === "ended" || (state.kind === "sending" && (state.plan.offersOptions || state.acked > 0))
  );
}

/** The first answer to an accepted request. */
export function begin(plan: TransferPlan, nowMs: number): TransferStep {
  const flight: Flight = {
    plan,
    startedAtMs: nowMs,
    sentAtMs: nowMs,
    wakeAtMs: 0,
    roundTrip: undefined,
    repeats: 0,
    doublings: 0,
    clean: true,
  };
  if (plan.offersOptions) {
    return { state: withWake({ ...flight, kind: "offering" }, nowMs), actions: [{ kind: "send-oack" }] };
  }
  // No answer yet that could be measured.
  return launch(
    { ...flight, clean: false },
    { acked: 0, flightBlocks: plan.windowBlocks, highest: 0 },
    nowMs,
  );
}

/** One event; pure. An ended transfer stays as it is. */
export function step(state: Transfer, event: TransferEvent): TransferStep {
  if (state.kind === "ended") return { state, actions: [] };
  switch (event.kind) {
    case "packet":
      return onPacket(state, event.packet, event.nowMs);
    case "wake":
      return onWake(state, event.nowMs);
    case "request-repeated":
      return isAnswered(state) ? { state, actions: [] } : again(state, event.nowMs);
    case "client-left":
      // The last ACK is easily lost with a client that leaves at once: it has every byte then.
      return isLastFlight(state) ? end(state, "done", undefined) : end(state, "aborted", event.message);
    case "unreadable":
      return end(state, "failed", event.message, { code: errorCodes.notDefined, message: event.message });
    case "server-stops": {
      const message = "the server stops";
      return end(state, "failed", message, { code: errorCodes.notDefined, message });
    }
    default:
      return assertNever(event);
  }
}

function onPacket(state: Sending | Offering, packet: TftpPacket, nowMs: number): TransferStep {
  switch (packet.kind) {
    case "ack":
      return state.kind === "offering"
        ? onOfferAnswered(state, packet.block, nowMs)
        : onAck(state, packet.block, nowMs);
    case "error":
      // EDK2 asks for the size, then sends error 8 "User aborted the transfer" and asks again: no fault of anybody.
      return end(state, "aborted", packet.message === "" ? `error ${packet.code}` : packet.message);
    case "rrq":
    case "wrq":
    case "data":
    case "oack":
      return { state, actions: [] };
    default:
      return assertNever(packet);
  }
}

function onOfferAnswered(state: Offering, block: number, nowMs: number): TransferStep {
  if (block !== 0) return { state, actions: [] };
  return launch(state, { acked: 0, flightBlocks: state.plan.windowBlocks, highest: 0 }, nowMs);
}

function onAck(state: Sending, block: number, nowMs: number): TransferStep {
  const advance = (block - state.acked) & 0xffff;
  // Nothing is ever sent for an ACK that acknowledges nothing new: answering duplicates doubles every packet that
  // follows (the Sorcerer's Apprentice, RFC 1123 section 4.2.3.1). The timer repeats what was really lost.
  if (advance === 0 || advance > state.highest - state.acked) return { state, actions: [] };
  const acked = state.acked + advance;
  if (acked === blockCount(state.plan)) return end({ ...state, acked }, "done", undefined);
  // An ACK from inside the window tells of a gap: the next window begins right behind it (RFC 7440 section 4).
  const flightBlocks = acked < state.sent ? halved(state.flightBlocks) : grown(state);
  return launch(state, { acked, flightBlocks, highest: state.highest }, nowMs);
}

/** Sends what follows the acknowledged blocks; measures the way when what was answered had been sent only once. */
function launch(
  before: Flight,
  { acked, flightBlocks, highest }: { acked: number; flightBlocks: number; highest: number },
  nowMs: number,
): TransferStep {
  const { plan, clean, startedAtMs } = before;
  const roundTrip = clean ? measure(before.roundTrip, nowMs - before.sentAtMs) : before.roundTrip;
  const doublings = clean || isPrompt(before.roundTrip, nowMs - before.sentAtMs) ? 0 : before.doublings;
  const sent = Math.min(acked + flightBlocks, blockCount(plan));
  // Written out: this is done for every block, and a copy of the state by spreading costs more than all the rest.
  const next: Sending = {
    kind: "sending",
    plan,
    startedAtMs,
    sentAtMs: nowMs,
    wakeAtMs: wakeTime(plan, roundTrip, doublings, startedAtMs, nowMs),
    roundTrip,
    repeats: 0,
    doublings,
    clean: acked + 1 > highest,
    acked,
    sent,
    highest: Math.max(highest, sent),
    flightBlocks,
  };
  return { state: next, actions: [sendFlight(next)] };
}

/**
 * A client acknowledges whole windows and the last block, so after a shorter flight it would wait for more. A block that
 * comes twice is one out of order to it, which it answers at once with what it has (RFC 7440 section 4).
 */
function sendFlight({ plan, acked, sent }: Sending): TransferAction {
  const probe = sent - acked < plan.windowBlocks && sent < blockCount(plan);
  return { kind: "send-blocks", from: acked + 1, to: sent, probe };
}

function halved(flightBlocks: number): number {
  return Math.max(1, Math.floor(flightBlocks / 2));
}

/** Back to the whole window in eight flights or fewer: what overflows in a switch may have come from many clients. */
function grown({ flightBlocks, plan: { windowBlocks } }: Sending): number {
  return Math.min(windowBlocks, flightBlocks + Math.ceil(windowBlocks / 8));
}

function onWake(state: Sending | Offering, nowMs: number): TransferStep {
  if (nowMs < state.wakeAtMs) return { state, actions: [] };
  const { patience } = state.plan;
  if (nowMs - state.startedAtMs >= patience.totalMs) return giveUp(state, "the transfer took too long");
  if (state.repeats >= patience.repeats) {
    return giveUp(
      state,
      isLastFlight(state) ? "the last block was never acknowledged" : "the client fell silent",
    );
  }
  const repeats = state.repeats + 1;
  const doublings = state.doublings + 1;
  if (state.kind === "offering") return again({ ...state, repeats, doublings }, nowMs);
  const flightBlocks = halved(state.flightBlocks);
  return again({ ...state, repeats, doublings, flightBlocks, sent: repeatUpTo(state, repeats) }, nowMs);
}

/**
 * The last block of what is repeated. Some clients, when their ACK was lost, answer nothing but the last block they have:
 * so the flight comes again whole, then all that was ever sent, then a few blocks, as a burst may be what gets lost.
 */
function repeatUpTo({ acked, sent, highest, flightBlocks }: Sending, repeats: number): number {
  if (repeats % 3 === 1) return sent;
  return repeats % 3 === 2 ? highest : Math.min(acked + halved(flightBlocks), highest);
}

/** Sends the flight once more. */
function again(state: Sending | Offering, nowMs: number): TransferStep {
  const next = withWake({ ...state, sentAtMs: nowMs, clean: false }, nowMs);
  return {
    state: next,
    actions: [next.kind === "offering" ? { kind: "send-oack" } : sendFlight(next)],
  };
}

function giveUp(state: Sending | Offering, message: string): TransferStep {
  return end(state, "failed", message, { code: errorCodes.notDefined, message });
}

function end(
  state: Sending | Offering,
  outcome: TransferOutcome,
  message: string | undefined,
  tell?: { code: number; message: string },
): TransferStep {
  const acked = state.kind === "sending" ? state.acked : 0;
  const bytes =
    outcome === "done" ? state.plan.sizeBytes : Math.min(acked * state.plan.blockBytes, state.plan.sizeBytes);
  return {
    state: { kind: "ended", outcome, message, bytes },
    actions: tell === undefined ? [] : [{ kind: "send-error", ...tell }],
  };
}

function isLastFlight(state: Sending | Offering): boolean {
  return state.kind === "sending" && state.highest === blockCount(state.plan);
}

function withWake<T extends Sending | Offering>(state: T, nowMs: number): T {
  const { plan, roundTrip, doublings, startedAtMs } = state;
  return { ...state, wakeAtMs: wakeTime(plan, roundTrip, doublings, startedAtMs, nowMs) };
}

function wakeTime(
  { patience }: TransferPlan,
  roundTrip: RoundTrip | undefined,
  doublings: number,
  startedAtMs: number,
  nowMs: number,
): number {
  return Math.min(nowMs + waitMs(roundTrip, doublings, patience), startedAtMs + patience.totalMs);
}
