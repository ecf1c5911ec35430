import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import { assertNever } from "../lib/assert.ts";
import type { PinnedBytes } from "../net/libc.ts";
import { BlockSource } from "./block-source.ts";
import type { ChunkCache } from "./chunk-cache.ts";
import { encode } from "./codec.ts";
import { type TftpOption, type TftpPacket, opcodes } from "./packet.ts";
import type { ServedFile } from "./served-file.ts";
import type { Sleeper, TimerWheel } from "./timer-wheel.ts";
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
export type Wire = {
  send: (datagram: Uint8Array) => void;
  /** A datagram of four bytes (the number `head`) and `length` bytes of `body` from `from`. */
  sendBlock: (head: number, body: PinnedBytes, from: number, length: number) => void;
};

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
  chunks: ChunkCache;
  wire: Wire;
  clock: Clock;
  wheel: TimerWheel;
  /** Once. */
  onEnd: (end: SessionEnd) => void;
};

/** Carries out one transfer's steps: sends its blocks, reads its file, keeps its time. */
export class TransferSession implements Sleeper {
  wheelTurn: number | undefined;
  readonly #options: SessionOptions;
  readonly #source: BlockSource;
  readonly #first: TransferStep;
  #state: Transfer;
  #heardAtMs: number;
  #repeats = 0;
  /** Counts the orders to send, so that an overtaken one stops. */
  #order = 0;

  constructor(options: SessionOptions) {
    const nowMs = options.clock.nowMs();
    this.#options = options;
    this.#source = new BlockSource(options.file, options.plan.blockBytes, options.chunks);
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

  /** The wheel calls: at the right time, or earlier when an answer has put it off since. */
  wake(nowMs: number): void {
    if (this.#state.kind === "ended") return;
    if (nowMs < this.#state.wakeAtMs) this.#options.wheel.wakeAt(this, this.#state.wakeAtMs);
    else this.#apply({ kind: "wake", nowMs });
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
    else this.#options.wheel.wakeAt(this, this.#state.wakeAtMs);
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
        this.#sendBlocks(action.from, action, this.#order);
        break;
      default:
        assertNever(action);
    }
  }

  /** Sends what is in memory in this very turn, with no promise on the way. */
  #sendBlocks(from: number, flight: { to: number; probe: boolean }, order: number): void {
    try {
      for (let block = from; block <= flight.to; block += 1) {
        const chunk = this.#source.chunkOf(block);
        if (chunk instanceof Promise) {
          void this.#sendWhenRead(chunk, block, flight, order);
          return;
        }
        this.#sendBlock(block, chunk);
        if (block === flight.to && flight.probe) this.#sendBlock(block, chunk);
      }
    } catch (error) {
      this.#apply({ kind: "unreadable", message: messageOf(error) });
    }
  }

  #sendBlock(block: number, chunk: PinnedBytes): void {
    const head = (opcodes.data << 16) | wireBlock(block);
    this.#options.wire.sendBlock(head, chunk, this.#source.offsetOf(block), this.#source.lengthOf(block));
  }

  async #sendWhenRead(
    reading: Promise<PinnedBytes>,
    block: number,
    flight: { to: number; probe: boolean },
    order: number,
  ): Promise<void> {
    try {
      await reading;
    } catch (error) {
      this.#apply({ kind: "unreadable", message: messageOf(error) });
      return;
    }
    if (this.#state.kind === "ended" || this.#order !== order) return;
    this.#sendBlocks(block, flight, order);
  }

  #finish(ended: Extract<Transfer, { kind: "ended" }>): void {
    this.wheelTurn = undefined;
    const { outcome, message, bytes } = ended;
    this.#options.onEnd({ outcome, message, bytes, repeats: this.#repeats });
  }
}
