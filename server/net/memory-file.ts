import { closeSync, readSync, write } from "node:fs";
import { sharedLibc } from "./libc.ts";

const MFD_CLOEXEC = 1;

/**
 * A file that is nowhere but in memory (memfd_create(2)). The kernel sends from it without a copy and without ever waiting
 * for a disk, and nobody else can change it or make it shorter. Its memory is given back when it is closed.
 */
export class MemoryFile {
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Empty; undefined where there can be none: an old kernel, a sandbox, no descriptor left. */
  static make(): MemoryFile | undefined {
    const fd = sharedLibc().memfd_create(Buffer.from("provision\0"), MFD_CLOEXEC);
    return fd < 0 ? undefined : new MemoryFile(fd);
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await new Promise<number>((resolve, reject) => {
        write(this.fd, bytes, at, bytes.length - at, position + at, (error, written) => {
          if (error === null) resolve(written);
          else reject(error);
        });
      });
    }
  }

  /** A copy; what was never written is not given. No disk is read: this takes as long as a copy does. */
  read(position: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(this.fd, bytes, 0, length, position));
  }

  close(): void {
    closeSync(this.fd);
  }
}
