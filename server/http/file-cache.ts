import type { FileHandle } from "node:fs/promises";
import { BufferPool } from "./buffer-pool.ts";
import { CachedFile } from "./cached-file.ts";
import { type FileIdentity, type OpenFile, openRegular, streamedFile } from "./open-file.ts";

export type FileCacheLimits = {
  /** Memory for whole files. A file that finds no room is sent from the disk. */
  cacheBytes: number;
  /** A name is looked up again when that was done longer ago than this. */
  recheckMs: number;
  /** Kept such that the kernel can send it without Node, where the system has that. */
  byKernel: boolean;
};

/** For files sent from the disk: some 500 of them move at a time, and the others wait their turn. */
const streaming = { bufferBytes: 128 * 1024, limit: 512 };

/**
 * A file changed so short a time ago may be in the middle of being written, and a file system with coarse times cannot
 * tell its next change from this one: it is not kept.
 */
const youngMs = 1000;

export type FileCacheCounters = { hits: number; misses: number; streamed: number; bytes: number };

/**
 * The files that a rack fetches over and over, whole in memory: each is read once however many ask for it, the least
 * recently used ones make room, and what a transfer is using counts until it is done.
 */
export class FileCache {
  readonly #limits: FileCacheLimits;
  readonly #nowMs: () => number;
  readonly #pool = new BufferPool(streaming);
  /** In the order of use. */
  readonly #files = new Map<string, CachedFile>();
  readonly #looking = new Map<string, Promise<CachedFile | undefined>>();
  readonly #counters: FileCacheCounters = { hits: 0, misses: 0, streamed: 0, bytes: 0 };

  constructor(limits: FileCacheLimits, nowMs = () => Date.now()) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  counters(): FileCacheCounters {
    return { ...this.#counters };
  }

  /** @throws the system's error for a file that is missing or cannot be read; AppError for what is no file. */
  async open(path: string): Promise<OpenFile> {
    const known = this.#files.get(path);
    if (known !== undefined && this.#nowMs() - known.checkedAtMs < this.#limits.recheckMs)
      return this.#lend(path, known);
    let looking = this.#looking.get(path);
    if (looking === undefined) {
      looking = this.#look(path).finally(() => this.#looking.delete(path));
      this.#looking.set(path, looking);
    }
    const found = await looking;
    if (found !== undefined) return this.#lend(path, found);
    this.#counters.streamed += 1;
    const { handle, identity } = await openRegular(path);
    return streamedFile(handle, identity, this.#pool);
  }

  /** What the name stands for now; undefined when that cannot be kept. */
  async #look(path: string): Promise<CachedFile | undefined> {
    const { handle, identity } = await openRegular(path).catch((error: unknown) => {
      this.#detach(path);
      throw error;
    });
    const known = this.#files.get(path);
    if (known?.identity.stamp === identity.stamp) {
      known.checkedAtMs = this.#nowMs();
      await handle.close();
      return known;
    }
    this.#detach(path);
    const young = this.#nowMs() - identity.changedAtMs < youngMs;
    if (young || !this.#makeRoom(identity.sizeBytes)) {
      await handle.close();
      return undefined;
    }
    return this.#read(path, handle, identity);
  }

  #read(path: string, handle: FileHandle, identity: FileIdentity): CachedFile {
    const file = new CachedFile(identity, this.#nowMs(), this.#limits.byKernel);
    this.#counters.misses += 1;
    this.#counters.bytes += identity.sizeBytes;
    this.#files.set(path, file);
    file.users += 1;
    void this.#fill(path, handle, file);
    return file;
  }

  async #fill(path: string, handle: FileHandle, file: CachedFile): Promise<void> {
    const whole = await file.fill(handle);
    if (!whole && this.#files.get(path) === file) this.#detach(path);
    this.#leave(file);
  }

  #lend(path: string, file: CachedFile): OpenFile {
    if (file.wasLent) this.#counters.hits += 1;
    file.wasLent = true;
    file.users += 1;
    if (!file.detached) {
      this.#files.delete(path);
      this.#files.set(path, file);
    }
    let open = true;
    return {
      ...file.identity,
      take: (offset, length) => file.take(offset, length),
      ...(file.kernel === undefined ? {} : { kernel: file.kernel }),
      close: () => {
        if (open) this.#leave(file);
        open = false;
      },
    };
  }

  #leave(file: CachedFile): void {
    file.users -= 1;
    if (file.users === 0 && file.detached) this.#free(file);
  }

  #free(file: CachedFile): void {
    this.#counters.bytes -= file.identity.sizeBytes;
    file.free();
  }

  #detach(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    file.detached = true;
    if (file.users === 0) this.#free(file);
  }

  /** Files in use keep their memory, so they stay. */
  #makeRoom(bytes: number): boolean {
    if (bytes > this.#limits.cacheBytes) return false;
    for (const [path, file] of this.#files) {
      if (this.#counters.bytes + bytes <= this.#limits.cacheBytes) return true;
      if (file.users === 0) this.#detach(path);
    }
    return this.#counters.bytes + bytes <= this.#limits.cacheBytes;
  }
}
