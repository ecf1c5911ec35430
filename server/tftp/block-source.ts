import type { ServedFile } from "./served-file.ts";

/** Read from the file at a time: some 45 blocks of one Ethernet frame. */
const chunkGoalBytes = 64 * 1024;

/** The piece of the file in hand and the one before it: a window that is sent again may begin there. */
const keptChunks = 2;

type Chunk = { index: number; bytes: Uint8Array | Promise<Uint8Array> };

/** The blocks of one file, read in larger pieces, of which few are kept. */
export class BlockSource {
  readonly #file: ServedFile;
  readonly #blockBytes: number;
  readonly #chunkBytes: number;
  #chunks: Chunk[] = [];

  constructor(file: ServedFile, blockBytes: number, windowBlocks: number) {
    this.#file = file;
    this.#blockBytes = blockBytes;
    this.#chunkBytes = blockBytes * Math.max(1, Math.floor(chunkGoalBytes / blockBytes), windowBlocks);
  }

  /** Block `block`, counted from 1, at once when it is in memory. The block behind the last byte is empty. */
  block(block: number): Uint8Array | Promise<Uint8Array> {
    const from = (block - 1) * this.#blockBytes;
    const to = Math.min(from + this.#blockBytes, this.#file.sizeBytes);
    if (to === from) return new Uint8Array(0);
    const index = Math.floor(from / this.#chunkBytes);
    const start = from - index * this.#chunkBytes;
    const bytes = this.#chunk(index);
    const cut = (chunk: Uint8Array) => chunk.subarray(start, start + to - from);
    return bytes instanceof Promise ? bytes.then(cut) : cut(bytes);
  }

  #chunk(index: number): Uint8Array | Promise<Uint8Array> {
    const known = this.#chunks.find((chunk) => chunk.index === index);
    if (known !== undefined) return known.bytes;
    const offset = index * this.#chunkBytes;
    const length = Math.min(this.#chunkBytes, this.#file.sizeBytes - offset);
    const bytes = this.#file.read(offset, length);
    const chunk: Chunk = { index, bytes };
    if (bytes instanceof Promise) chunk.bytes = this.#arriving(chunk, bytes, length);
    else requireLength(bytes, length);
    this.#chunks = [chunk, ...this.#chunks].slice(0, keptChunks);
    return chunk.bytes;
  }

  async #arriving(chunk: Chunk, reading: Promise<Uint8Array>, length: number): Promise<Uint8Array> {
    try {
      const bytes = await reading;
      requireLength(bytes, length);
      chunk.bytes = bytes;
      return bytes;
    } catch (error) {
      this.#chunks = this.#chunks.filter((other) => other !== chunk);
      throw error;
    }
  }
}

function requireLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new Error("the file became shorter while it was sent");
}
