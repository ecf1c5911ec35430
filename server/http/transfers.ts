import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { KernelSender } from "../net/kernel-sender.ts";
import type { SentFile } from "./open-file.ts";
import { Transfer } from "./transfer.ts";

export type TransferCounters = {
  /** Under way. */
  active: number;
  /** Cut off: their client stopped reading, or reads too slowly. */
  cut: number;
  /** Broken off by a file that changed or could not be read to its end. */
  broken: number;
  /** Bytes that the kernel has sent without Node. */
  kernelBytes: number;
};

/** Files asked for on one connection before the first of them is sent; no loader asks for a second. */
const queueLimit = 32;

/**
 * What the kernel is given in one turn of the event loop: about a millisecond's work, then packets and timers have theirs.
 * All of it may be one client's: its core is woken once for it and finds it in its cache, where by smaller shares both
 * ends do little but switch (measured: by 512 KiB each 1.6 GB/s, by 4 MiB 3.3).
 */
const turnBytes = 4 * 1024 * 1024;
/** A turn in which the socket was full costs something, too. */
const leastShareBytes = 16 * 1024;

/** Sends files at the pace at which clients take them. A client that takes nothing for `patienceMs` is cut off. */
export class Transfers {
  readonly #patienceMs: number;
  readonly #active = new Set<Transfer>();
  readonly #counters = { cut: 0, broken: 0, kernelBytes: 0 };
  readonly #queued = new WeakMap<Socket, number>();
  readonly #sender = new KernelSender();
  /** Those that the kernel may send for now, in their order. */
  #ready: Transfer[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor({ patienceMs }: { patienceMs: number }) {
    this.#patienceMs = patienceMs;
  }

  counters(): TransferCounters {
    return { active: this.#active.size, ...this.#counters };
  }

  /** Sends what lies between the offsets, below a head that is written already, and closes the file however that ends. */
  send(
    response: ServerResponse,
    file: SentFile,
    { from, to, onProgress }: { from: number; to: number; onProgress?: () => void },
  ): void {
    const onBroken = (): void => {
      this.#counters.broken += 1;
    };
    const onReady = (ready: Transfer): void => this.#enqueue(ready);
    const of = { from, to, onProgress: onProgress ?? nothing, onBroken, onReady };
    const transfer = new Transfer(response, file, of, this.#sender);
    const { socket } = response.req;
    if (socket.destroyed) {
      transfer.close();
      return;
    }
    this.#active.add(transfer);
    this.#timer ??= setInterval(() => this.#look(), this.#patienceMs / 4).unref();
    const end = (): void => this.#end(transfer);
    response.once("close", () => {
      socket.removeListener("close", end);
      end();
    });
    if (response.socket === null) this.#queue(response, socket, transfer, end);
    else transfer.pump();
  }

  /** A pipelined request's answer waits for the one before it; when the connection ends first, nothing tells the answer. */
  #queue(response: ServerResponse, socket: Socket, transfer: Transfer, end: () => void): void {
    const length = (this.#queued.get(socket) ?? 0) + 1;
    if (length > queueLimit) {
      socket.destroy();
      this.#end(transfer);
      return;
    }
    this.#queued.set(socket, length);
    socket.setMaxListeners(queueLimit + 10).once("close", end);
    response.once("socket", () => {
      this.#queued.set(socket, (this.#queued.get(socket) ?? 1) - 1);
      transfer.pump();
    });
  }

  #enqueue(transfer: Transfer): void {
    if (this.#ready.length === 0) setImmediate(() => this.#sendReady());
    this.#ready.push(transfer);
  }

  #sendReady(): void {
    const ready = this.#ready;
    this.#ready = [];
    let left = turnBytes;
    let served = 0;
    while (served < ready.length && left > 0) {
      const transfer = ready[served];
      served += 1;
      const bytes = transfer?.turn(left) ?? 0;
      this.#counters.kernelBytes += bytes;
      left -= Math.max(leastShareBytes, bytes);
    }
    // Who has had its share comes after those that have had none.
    const others = ready.slice(served);
    if (this.#ready.length === 0 && others.length > 0) setImmediate(() => this.#sendReady());
    this.#ready = [...others, ...this.#ready];
  }

  #end(transfer: Transfer): void {
    transfer.close();
    this.#active.delete(transfer);
    if (this.#active.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const nowMs = performance.now();
    for (const transfer of this.#active) {
      if (transfer.stuckForMs(nowMs) < this.#patienceMs) continue;
      this.#counters.cut += 1;
      transfer.cut();
    }
  }
}

const nothing = (): void => undefined;
