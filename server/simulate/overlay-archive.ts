import { BootFailure } from "./effects.ts";

/** A file of a "newc" archive (Documentation/driver-api/early-userspace/buffer-format.rst). */
export type ArchiveFile = { path: string; mode: number; content: Uint8Array };

const headerBytes = 110;
const fileType = 0o100000;
const typeMask = 0o170000;

/** The regular files of an overlay, as the kernel would unpack them. @throws BootFailure when the kernel could not */
export function readArchive(bytes: Uint8Array): ArchiveFile[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const files: ArchiveFile[] = [];
  let at = 0;
  for (;;) {
    if (at + headerBytes > text.length || text.toString("latin1", at, at + 6) !== "070701") {
      throw new BootFailure(`the overlay is no initrd: no entry at byte ${at}`);
    }
    const field = (index: number): number =>
      Number.parseInt(text.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const [mode, size, nameBytes] = [field(1), field(6), field(11)];
    const nameAt = at + headerBytes;
    const contentAt = padded(nameAt + nameBytes);
    if (!Number.isInteger(mode + size + nameBytes) || contentAt + size > text.length) {
      throw new BootFailure(`the overlay is cut off in the entry at byte ${at}`);
    }
    const path = text.toString("utf8", nameAt, nameAt + nameBytes - 1);
    if (path === "TRAILER!!!") return files;
    if ((mode & typeMask) === fileType) {
      files.push({
        path: `/${path}`,
        mode: mode & 0o7777,
        content: bytes.subarray(contentAt, contentAt + size),
      });
    }
    at = padded(contentAt + size);
  }
}

function padded(at: number): number {
  return (at + 3) & ~3;
}
