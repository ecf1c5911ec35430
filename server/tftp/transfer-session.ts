import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import { assertNever } from "../lib/assert.ts";
import { BlockSource } from "./block-source.ts";
import { encode } from "./codec.ts";
import { type TftpOption, type TftpPacket, opcodes } from "./packet.ts";
import type { ServedFile } from "./served-file.ts";
import {
  type Transfer,
  type TransferAction,
  type TransferEvent,
  type TransferOutcome,
  type TransferPlan,
  type TransferStep,
  begin,
  isAnswered,
  step,
  wireBlock,
} from "./transfer.ts";

/** The way to one client. */
export type Wire = { send: (datagram: Uint8Array) => void; close: () => void };

export type SessionEnd = {
  outcome: TransferOutcome;
  message: string | undefined;
  bytes: number;
  /** Flights that were sent again. */
  repeats: number;
};

export type SessionOptions = {
  plan: TransferPlan;
  oack: readonly TftpOption[];
  file: ServedFile;
  wire: Wire;
  clock: Clock;
  /** Once, after the wire was closed. */
  onEnd: (end: SessionEnd) => void;
};

/** Carries out one transfer's steps: sends its blocks, reads its file, keeps its timer. */
export class TransferSession {
  readonly #options: SessionOptions;
  readonly #source: BlockSource;
  readonly #first: TransferStep;
  #state: Transfer;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;
  #heardAtMs: number;
  #repeats = 0;
  /** Counts the orders to send, so that an overtaken one stops. */
  #order = 0;

  constructor(options: SessionOptions) {
    const nowMs = options.clock.nowMs();
    this.#options = options;
    this.#source = new BlockSource(options.file, options.plan.blockBytes, options.plan.windowBlocks);
    this.#heardAtMs = nowMs;
    this.#first = begin(options.plan, nowMs);
    this.#state = this.#first.state;
  }

  /** Sends the first answer. */
  start(): void {
    this.#follow(this.#first);
  }

  /** How long the client has been silent. */
  get silentMs(): number {
    return this.#options.clock.nowMs() - this.#heardAtMs;
  }

  /** Whether the client has ever acknowledged anything. */
  get answered(): boolean {
    return isAnswered(this.#state);
  }

  receive(packet: TftpPacket): void {
    this.#heardAtMs = this.#options.clock.nowMs();
    this.#apply({ kind: "packet", packet, nowMs: this.#heardAtMs });
  }

  /** The client's request came once more. */
  requestRepeated(): void {
    this.#apply({ kind: "request-repeated", nowMs: this.#options.clock.nowMs() });
  }

  clientLeft(message: string): void {
    this.#apply({ kind: "client-left", message });
  }

  stop(): void {
    this.#apply({ kind: "server-stops" });
  }

  #apply(event: TransferEvent): void {
    if (this.#state.kind === "ended") return;
    const next = step(this.#state, event);
    if (event.kind === "wake" && next.state.kind !== "ended" && next.actions.length > 0) this.#repeats += 1;
    this.#follow(next);
  }

  #follow(next: TransferStep): void {
    this.#state = next.state;
    for (const action of next.actions) this.#carryOut(action);
    if (this.#state !== next.state) return; // an action failed, and that was followed already
    if (this.#state.kind === "ended") this.#finish(this.#state);
    else this.#wakeAt(this.#state.wakeAtMs);
  }

  #carryOut(action: TransferAction): void {
    switch (action.kind) {
      case "send-oack":
        this.#options.wire.send(encode({ kind: "oack", options: this.#options.oack }));
        break;
      case "send-error":
        this.#options.wire.send(encode({ kind: "error", code: action.code, message: action.message }));
        break;
      case "send-blocks":
        this.#order += 1;
        this.#sendBlocks(action.from, action.to, this.#order);
        break;
      default:
        assertNever(action);
    }
  }

  /** Sends what is in memory in this very turn, with no promise on the way. */
  #sendBlocks(from: number, to: number, order: number): void {
    try {
      for (let block = from; block <= to; block += 1) {
        const bytes = this.#source.block(block);
        if (bytes instanceof Promise) {
          void this.#sendWhenRead(bytes, block, to, order);
          return;
        }
        this.#options.wire.send(dataPacket(block, bytes));
      }
    } catch (error) {
      this.#apply({ kind: "unreadable", message: messageOf(error) });
    }
  }

  async #sendWhenRead(reading: Promise<Uint8Array>, block: number, to: number, order: number): Promise<void> {
    try {
      const bytes = await reading;
      if (this.#state.kind === "ended" || this.#order !== order) return;
      this.#options.wire.send(dataPacket(block, bytes));
    } catch (error) {
      this.#apply({ kind: "unreadable", message: messageOf(error) });
      return;
    }
    this.#sendBlocks(block + 1, to, order);
  }

  /** A timer that is due earlier stays: an ACK a block would otherwise set a timer a block. */
  #wakeAt(wakeAtMs: number): void {
    if (this.#timer !== undefined && this.#timerAtMs <= wakeAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = wakeAtMs;
    const delayMs = Math.max(1, Math.ceil(wakeAtMs - this.#options.clock.nowMs()));
    this.#timer = setTimeout(() => this.#onTimer(), delayMs);
  }

  #onTimer(): void {
    this.#timer = undefined;
    if (this.#state.kind === "ended") return;
    const nowMs = this.#options.clock.nowMs();
    if (nowMs < this.#state.wakeAtMs) this.#wakeAt(this.#state.wakeAtMs);
    else this.#apply({ kind: "wake", nowMs });
  }

  #finish(ended: Extract<Transfer, { kind: "ended" }>): void {
    clearTimeout(this.#timer);
    this.#options.wire.close();
    const { outcome, message, bytes } = ended;
    this.#options.onEnd({ outcome, message, bytes, repeats: this.#repeats });
  }
}

/** Like `encode`, for the one packet that is sent a hundred thousand times a second. */
function dataPacket(block: number, bytes: Uint8Array): Uint8Array {
  const packet = Buffer.allocUnsafe(bytes.length + 4);
  packet.writeUInt16BE(opcodes.data, 0);
  packet.writeUInt16BE(wireBlock(block), 2);
  packet.set(bytes, 4);
  return packet;
}
