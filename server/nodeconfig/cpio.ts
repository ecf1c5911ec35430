import { AppError } from "../lib/errors.ts";

/** One entry of an archive. Paths are absolute in the archive's tree (`/provision/boot.env`). All belong to root. */
export type CpioEntry =
  | { kind: "file"; path: string; mode: number; content: Uint8Array }
  | { kind: "directory"; path: string; mode: number }
  | { kind: "symlink"; path: string; target: string };

const fileTypes = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const;

/** The time of every entry, in seconds: one moment, so that the same entries give the same bytes. 2026-01-01 UTC. */
const fixedTimeSeconds = 1767225600;

/** Archives end on a whole block, as cpio(1) writes them. */
const blockBytes = 512;

const headerBytes = 110;

/**
 * A "newc" cpio archive, as the kernel unpacks an initramfs (Documentation/driver-api/early-userspace/buffer-format.rst).
 * Directories that hold an entry and are not listed are made with mode 0755: the kernel makes none by itself. The root
 * directory is never an entry, because unpacking it would change the initramfs' own.
 */
export function newcArchive(entries: readonly CpioEntry[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  let inode = 0;
  for (const entry of withParents(entries)) chunks.push(...encodeEntry(entry, ++inode));
  chunks.push(header("TRAILER!!!", { inode: 0, mode: 0, links: 1, bytes: 0, timeSeconds: 0 }));
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return Buffer.concat([...chunks, new Uint8Array(-length & (blockBytes - 1))]);
}

/** The entries in the order given, each behind the directories it lies in. */
function withParents(entries: readonly CpioEntry[]): readonly CpioEntry[] {
  const listed = new Map<string, CpioEntry>();
  for (const entry of entries) {
    checkPath(entry.path);
    if (listed.has(entry.path)) throw new AppError("invalid", `twice in one archive: ${entry.path}`);
    listed.set(entry.path, entry);
  }
  const ordered = new Map<string, CpioEntry>();
  const place = (path: string): void => {
    if (path === "" || ordered.has(path)) return;
    place(path.slice(0, path.lastIndexOf("/")));
    ordered.set(path, listed.get(path) ?? { kind: "directory", path, mode: 0o755 });
  };
  for (const entry of entries) {
    place(entry.path);
  }
  for (const { path } of ordered.values()) {
    const parent = ordered.get(path.slice(0, path.lastIndexOf("/")));
    if (parent && parent.kind !== "directory") {
      throw new AppError("invalid", `${path} lies in ${parent.path}, which is no directory`);
    }
  }
  return [...ordered.values()];
}

/** Refuses what would land elsewhere than it says when it is unpacked. */
function checkPath(path: string): void {
  const [first, ...parts] = path.split("/");
  const wrong = parts.length === 0 || parts.some((part) => part === "" || part === "." || part === "..");
  if (first !== "" || wrong || path.includes("\0")) {
    throw new AppError("invalid", `no path for an archive: ${JSON.stringify(path)}`);
  }
}

function encodeEntry(entry: CpioEntry, inode: number): readonly Uint8Array[] {
  const content = contentOf(entry);
  const permissions = entry.kind === "symlink" ? 0o777 : entry.mode & 0o7777;
  const head = header(entry.path.slice(1), {
    inode,
    mode: fileTypes[entry.kind] | permissions,
    links: entry.kind === "directory" ? 2 : 1,
    bytes: content.length,
    timeSeconds: fixedTimeSeconds,
  });
  return [head, content, new Uint8Array(-content.length & 3)];
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === "file") return entry.content;
  return entry.kind === "symlink" ? Buffer.from(entry.target) : new Uint8Array();
}

type HeaderFields = { inode: number; mode: number; links: number; bytes: number; timeSeconds: number };

/** Header, name and the zeros that bring them to a multiple of four bytes. */
function header(name: string, fields: HeaderFields): Uint8Array {
  if (fields.bytes > 0xffffffff) throw new AppError("invalid", `too large for a cpio archive: ${name}`);
  const nameBytes = Buffer.from(`${name}\0`);
  const numbers = [
    fields.inode,
    fields.mode,
    0, // uid
    0, // gid
    fields.links,
    fields.timeSeconds,
    fields.bytes,
    0, // device of the file, major
    0, // minor
    0, // device that it is, major
    0, // minor
    nameBytes.length,
    0, // checksum: not in this format
  ];
  const text = `070701${numbers.map((value) => value.toString(16).padStart(8, "0")).join("")}`;
  const length = headerBytes + nameBytes.length;
  return Buffer.concat([Buffer.from(text), nameBytes, new Uint8Array(-length & 3)]);
}
