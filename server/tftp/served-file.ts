import type { Ip } from "../lib/ipv6.ts";

/** A file as TFTP needs it, opened for one transfer. */
export type ServedFile = {
  /** Exact and fixed: what is promised in `tsize` is what is sent. */
  sizeBytes: number;
  /**
   * The same for two files only when they are one file with the same bytes: device, inode, size and times of change.
   * Absent: nothing of it is kept for others.
   */
  identity?: string | undefined;
  /**
   * Exactly `length` bytes from `offset`, which the caller keeps inside the file; rejects when the file can no longer
   * give them. What is in memory already (a rendered template, a cached loader) is best returned at once, as a view.
   */
  read: (offset: number, length: number) => Uint8Array | Promise<Uint8Array>;
  close: () => Promise<void>;
};

/**
 * Finds what a client asks for, whatever form the path has. Undefined: there is no such file (error 1). AppError
 * "forbidden": the path leads where nobody may read (error 2). Anything else thrown: error 0, and logged.
 */
export type OpenFile = (path: string, peer: Ip) => Promise<ServedFile | undefined>;

/** A rendered text or anything else that is in memory. */
export function fileInMemory(bytes: Uint8Array): ServedFile {
  return {
    sizeBytes: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
    close: () => Promise.resolve(),
  };
}
