import { type PinnedBytes, pinned } from "../net/libc.ts";
import type { ServedFile } from "./served-file.ts";

export type ChunkCacheOptions = {
  /** Kept at most, besides what transfers hold in hand. */
  limitBytes: number;
  /** The largest block: it lies whole in the chunk that its first byte is in. */
  blockBytes: number;
};

/** Read from a file at a time, and the longest block besides: some 45 blocks of one Ethernet frame. */
export const chunkStepBytes = 64 * 1024;

type Kept = { bytes: PinnedBytes | Promise<PinnedBytes>; length: number };

/**
 * Pieces of files that many clients read at about the same time: each is read once and kept once. Only files with an
 * identity are kept: one that was replaced has another, so that nobody gets a piece of each.
 */
export class ChunkCache {
  readonly #options: ChunkCacheOptions;
  /** In the order of their last use. */
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(options: ChunkCacheOptions) {
    this.#options = options;
  }

  get keptBytes(): number {
    return this.#keptBytes;
  }

  get hits(): number {
    return this.#hits;
  }

  get misses(): number {
    return this.#misses;
  }

  /** The bytes from `index * chunkStepBytes` on, at once when they are in memory. */
  chunk(file: ServedFile, index: number): PinnedBytes | Promise<PinnedBytes> {
    if (file.identity === undefined) return this.#read(file, index);
    const key = `${file.identity}/${index}`;
    const known = this.#kept.get(key);
    if (known === undefined) {
      this.#misses += 1;
      return this.#keep(key, file, index);
    }
    this.#hits += 1;
    this.#kept.delete(key);
    this.#kept.set(key, known);
    // Another transfer's read may fail with that transfer's file: ours is asked then.
    return known.bytes instanceof Promise ? this.#orOwn(known.bytes, file, index) : known.bytes;
  }

  async #orOwn(reading: Promise<PinnedBytes>, file: ServedFile, index: number): Promise<PinnedBytes> {
    try {
      return await reading;
    } catch {
      return await this.#read(file, index);
    }
  }

  #keep(key: string, file: ServedFile, index: number): PinnedBytes | Promise<PinnedBytes> {
    const bytes = this.#read(file, index);
    const kept: Kept = { bytes, length: this.#lengthOf(file, index) };
    this.#kept.set(key, kept);
    this.#keptBytes += kept.length;
    this.#makeRoom();
    if (bytes instanceof Promise) void this.#settle(key, kept, bytes);
    return bytes;
  }

  async #settle(key: string, kept: Kept, reading: Promise<PinnedBytes>): Promise<void> {
    try {
      kept.bytes = await reading;
    } catch {
      this.#forget(key, kept); // whoever asked is told, too, and the next one reads anew
    }
  }

  #makeRoom(): void {
    for (const [key, kept] of this.#kept) {
      if (this.#keptBytes <= this.#options.limitBytes) return;
      this.#forget(key, kept);
    }
  }

  #forget(key: string, kept: Kept): void {
    if (this.#kept.get(key) !== kept) return;
    this.#kept.delete(key);
    this.#keptBytes -= kept.length;
  }

  #lengthOf(file: ServedFile, index: number): number {
    return Math.min(chunkStepBytes + this.#options.blockBytes, file.sizeBytes - index * chunkStepBytes);
  }

  #read(file: ServedFile, index: number): PinnedBytes | Promise<PinnedBytes> {
    const length = this.#lengthOf(file, index);
    const bytes = file.read(index * chunkStepBytes, length);
    return bytes instanceof Promise
      ? bytes.then((arrived) => wholeOf(arrived, length))
      : wholeOf(bytes, length);
  }
}

function wholeOf(bytes: Uint8Array, length: number): PinnedBytes {
  if (bytes.length !== length) throw new Error("the file became shorter while it was sent");
  return pinned(bytes);
}
