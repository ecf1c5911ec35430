import type { ServerResponse } from "node:http";
import type { KernelSender } from "../net/kernel-sender.ts";
import type { Chunk, SentFile } from "./open-file.ts";

/** Handed to the socket ahead of the client: a piece that goes out and one to follow it. */
const ahead = 2;

/**
 * Node says when a socket takes more only of what it has written itself. So a piece of this size is Node's, all that then
 * fits is the kernel's, and so on.
 */
const nodesBytes = 16 * 1024;

export type TransferOf = {
  from: number;
  to: number;
  onProgress: () => void;
  /** The file changed, or could not be read. */
  onBroken: () => void;
  /** The kernel may send now: `turn` is to be called, when it is this one's turn. */
  onReady: (transfer: Transfer) => void;
};

/** A file on its way to one client, below a head that is written already. */
export class Transfer {
  readonly #response: ServerResponse;
  readonly #file: SentFile;
  readonly #of: TransferOf;
  readonly #sending = new Set<Chunk>();
  readonly #sender: KernelSender;
  #byKernel: boolean;
  #at: number;
  #taking = false;
  #closed = false;
  /** Since when the client owes us the taking of a piece. */
  #sinceMs = 0;

  constructor(response: ServerResponse, file: SentFile, of: TransferOf, sender: KernelSender) {
    this.#response = response;
    this.#file = file;
    this.#of = of;
    this.#at = of.from;
    this.#sender = sender;
    this.#byKernel = file.kernel !== undefined;
  }

  /** Writes as much as may be under way. */
  pump(): void {
    const most = this.#byKernel ? 1 : ahead;
    while (!this.#closed && !this.#taking && this.#left() > 0 && this.#sending.size < most) {
      const chunk = this.#file.take(
        this.#at,
        this.#byKernel ? Math.min(nodesBytes, this.#left()) : this.#left(),
      );
      if (chunk instanceof Promise) {
        this.#taking = true;
        void this.#await(chunk);
      } else this.#write(chunk);
    }
  }

  /** Lets the kernel take at most so many bytes. @returns how many it took. */
  turn(mostBytes: number): number {
    const { kernel } = this.#file;
    const { socket } = this.#response;
    if (this.#closed || kernel === undefined || socket === null) return 0;
    const length = Math.min(mostBytes, kernel.readyBytes() - this.#at, this.#left());
    const sent = length > 0 ? this.#sender.send(socket, kernel.descriptor, this.#at, length) : "full";
    if (typeof sent === "number") return this.#sent(sent, length);
    if (sent === "gone") socket.destroy();
    else {
      if (sent === "unable") this.#byKernel = false;
      this.pump();
    }
    return 0;
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

  #left(): number {
    return this.#of.to - this.#at;
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

  #write(chunk: Chunk): void {
    if (this.#closed) {
      chunk.release();
      return;
    }
    if (this.#sending.size === 0) this.#sinceMs = performance.now();
    this.#sending.add(chunk);
    this.#at += chunk.bytes.length;
    this.#response.write(chunk.bytes, () => this.#written(chunk));
    if (this.#left() === 0) this.#response.end();
  }

  #written(chunk: Chunk): void {
    if (!this.#sending.delete(chunk)) return;
    chunk.release();
    this.#sinceMs = performance.now();
    this.#of.onProgress();
    if (this.#byKernel && this.#left() > 0) this.#of.onReady(this);
    else this.pump();
  }

  #sent(bytes: number, asked: number): number {
    this.#at += bytes;
    this.#of.onProgress();
    if (this.#left() === 0) this.#response.end();
    else if (bytes === asked) this.#of.onReady(this);
    else this.pump();
    return bytes;
  }

  /** The head has promised a length that cannot be kept: only a broken connection says so. */
  #break(): void {
    if (this.#closed) return;
    this.#of.onBroken();
    this.#response.destroy();
  }
}
