import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Chunk, OpenFile } from "./open-file.ts";

export type TransferCounters = {
  /** Under way. */
  active: number;
  /** Cut off: their client stopped reading, or reads too slowly. */
  cut: number;
  /** Broken off by a file that changed or could not be read to its end. */
  broken: number;
};

/** Pieces handed to the socket ahead of the client: one that goes out and one to follow it. */
const ahead = 2;

/** Files asked for on one connection before the first of them is sent; no loader asks for a second. */
const queueLimit = 32;

/** Sends files at the pace at which clients take them. A client that takes nothing for `patienceMs` is cut off. */
export class Transfers {
  readonly #patienceMs: number;
  readonly #active = new Set<Transfer>();
  readonly #counters = { cut: 0, broken: 0 };
  readonly #queued = new WeakMap<Socket, number>();
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
    file: Pick<OpenFile, "take" | "close">,
    { from, to, onProgress }: { from: number; to: number; onProgress?: () => void },
  ): void {
    const onBroken = (): void => {
      this.#counters.broken += 1;
    };
    const transfer = new Transfer(response, file, { from, to, onProgress: onProgress ?? nothing, onBroken });
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

class Transfer {
  readonly #response: ServerResponse;
  readonly #file: Pick<OpenFile, "take" | "close">;
  readonly #to: number;
  readonly #onProgress: () => void;
  readonly #onBroken: () => void;
  readonly #sending = new Set<Chunk>();
  #at: number;
  #taking = false;
  #closed = false;
  /** Since when the client owes us the taking of a piece. */
  #sinceMs = 0;

  constructor(
    response: ServerResponse,
    file: Pick<OpenFile, "take" | "close">,
    given: { from: number; to: number; onProgress: () => void; onBroken: () => void },
  ) {
    this.#response = response;
    this.#file = file;
    this.#at = given.from;
    this.#to = given.to;
    this.#onProgress = given.onProgress;
    this.#onBroken = given.onBroken;
  }

  pump(): void {
    while (!this.#closed && !this.#taking && this.#at < this.#to && this.#sending.size < ahead) {
      const chunk = this.#file.take(this.#at, this.#to - this.#at);
      if (chunk instanceof Promise) {
        this.#taking = true;
        void this.#await(chunk);
      } else this.#write(chunk);
    }
  }

  async #await(taking: Promise<Chunk>): Promise<void> {
    try {
      const chunk = await taking;
      this.#taking = false;
      this.#write(chunk);
      this.pump();
    } catch {
      this.#break();
    }
  }

  stuckForMs(nowMs: number): number {
    return this.#sending.size === 0 ? 0 : nowMs - this.#sinceMs;
  }

  /** Resets the connection: what the client has not taken is thrown away by the kernel too. */
  cut(): void {
    this.#response.socket?.resetAndDestroy();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const chunk of this.#sending) chunk.release();
    this.#sending.clear();
    this.#file.close();
  }

  #write(chunk: Chunk): void {
    if (this.#closed) {
      chunk.release();
      return;
    }
    if (this.#sending.size === 0) this.#sinceMs = performance.now();
    this.#sending.add(chunk);
    this.#at += chunk.bytes.length;
    this.#response.write(chunk.bytes, () => this.#written(chunk));
    if (this.#at === this.#to) this.#response.end();
  }

  #written(chunk: Chunk): void {
    if (!this.#sending.delete(chunk)) return;
    chunk.release();
    this.#sinceMs = performance.now();
    this.#onProgress();
    this.pump();
  }

  /** The head has promised a length that cannot be kept: only a broken connection says so. */
  #break(): void {
    if (this.#closed) return;
    this.#onBroken();
    this.#response.destroy();
  }
}
