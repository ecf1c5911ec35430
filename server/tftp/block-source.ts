import type { PinnedBytes } from "../net/libc.ts";
import { type ChunkCache, chunkStepBytes } from "./chunk-cache.ts";
import type { ServedFile } from "./served-file.ts";

type Chunk = { index: number; bytes: PinnedBytes | Promise<PinnedBytes> };

/** Where one transfer's blocks lie. It holds the chunk in hand and the one before it: a window may be sent again. */
export class BlockSource {
  readonly #file: ServedFile;
  readonly #blockBytes: number;
  readonly #cache: ChunkCache;
  #current: Chunk | undefined;
  #previous: Chunk | undefined;

  constructor(file: ServedFile, blockBytes: number, cache: ChunkCache) {
    this.#file = file;
    this.#blockBytes = blockBytes;
    this.#cache = cache;
  }

  /** The memory that has the whole of block `block` (counted from 1), at once when it is there. */
  chunkOf(block: number): PinnedBytes | Promise<PinnedBytes> {
    const index = this.#indexOf(block);
    if (this.#current?.index === index) return this.#current.bytes;
    if (this.#previous?.index === index) return this.#previous.bytes;
    const chunk: Chunk = { index, bytes: this.#cache.chunk(this.#file, index) };
    if (chunk.bytes instanceof Promise) chunk.bytes = this.#arriving(chunk, chunk.bytes);
    this.#previous = this.#current;
    this.#current = chunk;
    return chunk.bytes;
  }

  /** Where the block begins in its chunk. */
  offsetOf(block: number): number {
    return (block - 1) * this.#blockBytes - this.#indexOf(block) * chunkStepBytes;
  }

  /** 0 for the block behind the last byte. */
  lengthOf(block: number): number {
    return Math.min(this.#blockBytes, this.#file.sizeBytes - (block - 1) * this.#blockBytes);
  }

  /** An empty block at the end of the file is not worth a chunk of its own. */
  #indexOf(block: number): number {
    const from = (block - 1) * this.#blockBytes;
    const last = Math.max(0, Math.ceil(this.#file.sizeBytes / chunkStepBytes) - 1);
    return Math.min(Math.floor(from / chunkStepBytes), last);
  }

  async #arriving(chunk: Chunk, reading: Promise<PinnedBytes>): Promise<PinnedBytes> {
    try {
      const bytes = await reading;
      chunk.bytes = bytes;
      return bytes;
    } catch (error) {
      if (this.#current === chunk) this.#current = undefined;
      if (this.#previous === chunk) this.#previous = undefined;
      throw error;
    }
  }
}
