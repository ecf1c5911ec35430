import type { FileHandle } from "node:fs/promises";
import { type FileContent, fileContent } from "./file-content.ts";
import {
  type Chunk,
  closeQuietly,
  type FileIdentity,
  type KernelSource,
  requireUnchanged,
} from "./open-file.ts";

/** A whole file in memory, lent out while it is still being read. */
export class CachedFile {
  readonly identity: FileIdentity;
  /** For sending without Node; undefined where that cannot be. */
  readonly kernel: KernelSource | undefined;
  /** Transfers that use it, and the reading of it. */
  users = 0;
  wasLent = false;
  /** No longer what its name stands for: its memory goes with its last user. */
  detached = false;
  /** When its name was last known to stand for it; of the cache's clock. */
  checkedAtMs: number;
  readonly #content: FileContent;
  #readBytes = 0;
  #complete = false;
  #failure: { error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  constructor(identity: FileIdentity, checkedAtMs: number, byKernel: boolean) {
    this.identity = identity;
    this.checkedAtMs = checkedAtMs;
    this.#content = fileContent(identity.sizeBytes, byKernel);
    const { descriptor } = this.#content;
    this.kernel = descriptor === undefined ? undefined : { descriptor, readyBytes: () => this.#readyBytes() };
  }

  /** Reads it all, and closes the handle. Never rejects: whoever takes from it is told. @returns whether it is whole. */
  async fill(handle: FileHandle): Promise<boolean> {
    try {
      await this.#content.fill(handle, (bytes) => {
        this.#readBytes = bytes;
        this.#wake();
      });
      await requireUnchanged(handle, this.identity);
      this.#complete = true;
    } catch (error) {
      this.#failure = { error };
    }
    this.#wake();
    await closeQuietly(handle);
    return this.#complete;
  }

  /** As OpenFile's. */
  take(offset: number, length: number): Chunk | Promise<Chunk> {
    const ready = this.#readyBytes();
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    if (offset < ready) return this.#content.chunk(offset, Math.min(length, ready - offset));
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.take(offset, length));
  }

  /** Its memory goes. Nobody may use it any more. */
  free(): void {
    this.#content.free();
  }

  /** The last byte is given out only when all of them are known to be of one content. */
  #readyBytes(): number {
    return this.#complete ? this.identity.sizeBytes : Math.min(this.#readBytes, this.identity.sizeBytes - 1);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
