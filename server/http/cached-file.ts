import type { FileHandle } from "node:fs/promises";
import {
  type Chunk,
  closeQuietly,
  type FileIdentity,
  memoryChunk,
  readFully,
  requireUnchanged,
} from "./open-file.ts";

/** Read from the disk at a time. */
const readBytes = 1024 * 1024;

/** A whole file in memory, lent out while it is still being read. */
export class CachedFile {
  readonly identity: FileIdentity;
  /** Transfers that use it, and the reading of it. */
  users = 0;
  wasLent = false;
  /** No longer what its name stands for: its memory goes with its last user. */
  detached = false;
  /** When its name was last known to stand for it; of the cache's clock. */
  checkedAtMs: number;
  readonly #bytes: Buffer;
  #readBytes = 0;
  #complete = false;
  #failure: { error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  constructor(identity: FileIdentity, checkedAtMs: number) {
    this.identity = identity;
    this.checkedAtMs = checkedAtMs;
    this.#bytes = Buffer.allocUnsafeSlow(identity.sizeBytes);
  }

  /** Reads it all, and closes the handle. Never rejects: whoever takes from it is told. @returns whether it is whole. */
  async fill(handle: FileHandle): Promise<boolean> {
    const { sizeBytes } = this.identity;
    try {
      while (this.#readBytes < sizeBytes) {
        const length = Math.min(readBytes, sizeBytes - this.#readBytes);
        const place = { offset: this.#readBytes, length, position: this.#readBytes };
        await readFully(handle, this.#bytes, place);
        this.#readBytes += length;
        this.#wake();
      }
      await requireUnchanged(handle, this.identity);
      this.#complete = true;
    } catch (error) {
      this.#failure = { error };
    }
    this.#wake();
    await closeQuietly(handle);
    return this.#complete;
  }

  /** As OpenFile's. The last byte is given out only when all of them are known to be of one content. */
  take(offset: number, length: number): Chunk | Promise<Chunk> {
    const ready = this.#complete
      ? this.identity.sizeBytes
      : Math.min(this.#readBytes, this.identity.sizeBytes - 1);
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (offset < ready) return memoryChunk(this.#bytes, offset, Math.min(length, ready - offset));
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.take(offset, length));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
