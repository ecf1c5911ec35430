import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open, readlink } from "node:fs/promises";
import { AppError, errnoOf } from "../lib/errors.ts";

/** A regular file below a root directory, open for reading. Whoever gets it closes it. */
export type ConfinedFile = {
  /** For streams (`handle.createReadStream`); `close` closes it too. */
  handle: FileHandle;
  sizeBytes: number;
  modifiedAtMs: number;
  /**
   * The same for two files only when they are one file with the same bytes: device, inode, size and times of change.
   * Undefined for a file that was changed just now: a second change may leave the same times.
   */
  identity: string | undefined;
  /** Exactly `length` bytes from `offset`; AppError "unavailable" when the file has become shorter. */
  read: (offset: number, length: number) => Promise<Uint8Array>;
  close: () => Promise<void>;
};

/** open(2): a descriptor that only names the file. Neither devices nor FIFOs notice. Same on amd64 and arm64. */
const O_PATH = 0o10000000;

/**
 * What a client asked for, as path segments below a root: one slash or more in front, doubled slashes and `.` mean
 * nothing, and backslashes are slashes (Windows loaders and some EFI firmware). AppError "forbidden" for `..` and for
 * a zero byte.
 */
export function confinedSegments(requested: string): readonly string[] {
  if (requested.includes("\0")) throw new AppError("forbidden", "a path with a zero byte");
  const segments = requested.split(/[/\\]/).filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) throw new AppError("forbidden", "a path that leads upwards");
  return segments;
}

/**
 * Opens `requested` below `root`, which may itself be a link. Symbolic links are followed as long as they stay inside:
 * where the file really lies is asked of the descriptor that is read from, so that nothing can be exchanged between
 * the check and the read. Undefined: no such file. AppError "forbidden": outside the root, no regular file, or not
 * readable for this process.
 */
export async function openConfined(root: string, requested: string): Promise<ConfinedFile | undefined> {
  const segments = confinedSegments(requested);
  if (segments.length === 0) throw new AppError("forbidden", "a directory, not a file");
  const base = await openPath(root, constants.O_DIRECTORY);
  if (base === undefined) return undefined;
  try {
    const named = await openPath(`${descriptorPath(base)}/${segments.join("/")}`, 0);
    if (named === undefined) return undefined;
    try {
      await requireInside(base, named);
      return await reopened(named);
    } finally {
      await named.close();
    }
  } finally {
    await base.close();
  }
}

/** A descriptor's own entry in proc(5): opening below it or by it cannot be led elsewhere. */
function descriptorPath(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`;
}

async function openPath(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, O_PATH | flags);
  } catch (error) {
    return absentOrThrow(error);
  }
}

async function requireInside(base: FileHandle, named: FileHandle): Promise<void> {
  const realRoot = await readlink(descriptorPath(base));
  const realFile = await readlink(descriptorPath(named));
  const inside = realRoot === "/" ? "/" : `${realRoot}/`;
  if (!realFile.startsWith(inside)) throw new AppError("forbidden", "a path that leads outside");
}

/** The same file, checked to be one, for reading. */
async function reopened(named: FileHandle): Promise<ConfinedFile | undefined> {
  const status = await named.stat({ bigint: true });
  if (!status.isFile()) throw new AppError("forbidden", "no regular file");
  try {
    const handle = await open(descriptorPath(named), constants.O_RDONLY);
    return confinedFile(handle, status);
  } catch (error) {
    return absentOrThrow(error);
  }
}

/** Longer than a file system's clock stands still between two ticks (4 ms with ext4 and tmpfs, 2 s with FAT). */
const settledMs = 2500;

function identityOf({ dev, ino, size, mtimeNs, ctimeNs, ctimeMs }: BigIntStats): string | undefined {
  const ageMs = Date.now() - Number(ctimeMs);
  return ageMs > settledMs ? [dev, ino, size, mtimeNs, ctimeNs].join(":") : undefined;
}

function confinedFile(handle: FileHandle, status: BigIntStats): ConfinedFile {
  return {
    handle,
    sizeBytes: Number(status.size),
    modifiedAtMs: Number(status.mtimeNs / 1000n) / 1000,
    identity: identityOf(status),
    read: (offset, length) => readExactly(handle, offset, length),
    close: () => handle.close(),
  };
}

async function readExactly(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw new AppError("unavailable", "the file became shorter while it was read");
    filled += bytesRead;
  }
  return bytes;
}

function absentOrThrow(error: unknown): undefined {
  switch (errnoOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
    case "ENAMETOOLONG":
      return undefined;
    case "EACCES":
    case "EPERM":
    case "ELOOP":
      throw new AppError("forbidden", "not readable for the server", { cause: error });
    case "EMFILE":
    case "ENFILE":
      throw new AppError("unavailable", "too many open files", { cause: error });
    case undefined:
    default:
      throw error;
  }
}
