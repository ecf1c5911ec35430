import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { AppError } from "../lib/errors.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { Representation } from "./selection.ts";

/** A piece of a file in memory, lent: `release` gives it back, once, when it has gone out. */
export type Chunk = { bytes: Uint8Array; release: () => void };

/**
 * Memory that the kernel can send from by itself: no offset below `readyBytes` has a disk behind it. What is said of
 * OpenFile's `take` holds for these bytes, too.
 */
export type KernelSource = { descriptor: number; readyBytes: () => number };

/** A file that is being sent. Whoever opened it closes it. */
export type OpenFile = Representation & {
  /**
   * Bytes from `offset`, at least one and at most `length`, which ends inside the file; at once when they are in memory.
   * The last of `length` is given only when the file is known not to have changed meanwhile. Rejects when it has: a
   * client never gets the end of a file that is not one.
   */
  take: (offset: number, length: number) => Chunk | Promise<Chunk>;
  /** Not to be used after `close`. */
  kernel?: KernelSource;
  close: () => void;
};

/** What sending takes of it. */
export type SentFile = Pick<OpenFile, "take" | "kernel" | "close">;

/** Which content a name stands for. Another stamp: another content. */
export type FileIdentity = Representation & { stamp: string; changedAtMs: number; stat: BigIntStats };

/** Opens a regular file without waiting for what is none (a FIFO, a device). AppError "forbidden" for those. */
export async function openRegular(path: string): Promise<{ handle: FileHandle; identity: FileIdentity }> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await handle.stat({ bigint: true });
    if (!stat.isFile()) throw new AppError("forbidden", "no regular file");
    return { handle, identity: identityOf(stat) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function identityOf(stat: BigIntStats): FileIdentity {
  const { dev, ino, size, mtimeNs, ctimeNs } = stat;
  // The inode, since file systems count time in ticks of milliseconds, within which one file may replace another. The time of
  // the inode's change too: a copy in place may set the time of modification back (cp -p, rsync).
  const stamp = [dev, ino, size, mtimeNs, ctimeNs].map((value) => value.toString(36)).join("-");
  return {
    stamp,
    etag: `"${stamp}"`,
    sizeBytes: Number(size),
    modifiedAtMs: Number(stat.mtimeMs),
    changedAtMs: Number(stat.ctimeMs),
    stat,
  };
}

/** After reading: AppError when the content of this open file has changed since it was opened. */
export async function requireUnchanged(handle: FileHandle, { stat }: FileIdentity): Promise<void> {
  const now = await handle.stat({ bigint: true });
  const same = now.size === stat.size && now.mtimeNs === stat.mtimeNs;
  // A file that is replaced by rename(2) loses a link, which changes its inode and not its content.
  if (same && (now.ctimeNs === stat.ctimeNs || now.nlink !== stat.nlink)) return;
  throw new AppError("unavailable", "the file changed while it was read");
}

/** Reads exactly `length` bytes into `buffer`. */
export async function readFully(
  handle: FileHandle,
  buffer: Uint8Array,
  at: { offset: number; length: number; position: number },
): Promise<void> {
  let filled = 0;
  while (filled < at.length) {
    const { bytesRead } = await handle.read(
      buffer,
      at.offset + filled,
      at.length - filled,
      at.position + filled,
    );
    if (bytesRead === 0) throw new AppError("unavailable", "the file became shorter while it was read");
    filled += bytesRead;
  }
}

const nothing = (): void => undefined;

/** A text or an archive that is in memory. */
export function memoryFile(bytes: Uint8Array): Pick<OpenFile, "take" | "close"> {
  return { take: (offset, length) => memoryChunk(bytes, offset, length), close: nothing };
}

/** Given to the socket at a time: the grain in which progress is seen. */
export const sliceBytes = 256 * 1024;

export function memoryChunk(bytes: Uint8Array, offset: number, length: number): Chunk {
  return { bytes: bytes.subarray(offset, offset + Math.min(length, sliceBytes)), release: nothing };
}

/** Of a file that was only read, there is nothing that a failing close(2) could lose. */
export async function closeQuietly(handle: FileHandle): Promise<void> {
  await handle.close().catch(() => undefined);
}

/** A file sent from the disk, through buffers of a pool. */
export function streamedFile(handle: FileHandle, identity: FileIdentity, pool: BufferPool): OpenFile {
  return {
    ...identity,
    take: async (offset, length) => {
      const buffer = await pool.take();
      const release = (): void => pool.give(buffer);
      try {
        const wanted = Math.min(length, buffer.length);
        await readFully(handle, buffer, { offset: 0, length: wanted, position: offset });
        if (wanted === length) await requireUnchanged(handle, identity);
        return { bytes: buffer.subarray(0, wanted), release };
      } catch (error) {
        release();
        throw error;
      }
    },
    close: () => void closeQuietly(handle),
  };
}
