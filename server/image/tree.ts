import { createHash } from "node:crypto";
import { type Stats, lstatSync, lutimesSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { fileDigest } from "./inputs.ts";
import { entriesBelow } from "./walk.ts";

/** Read at once, which is several times as quick as a stream for the thousands of small files that a root is made of. */
const smallBytes = 1024 * 1024;

export type TreeMeasure = {
  /** SHA-256 of all that a node can see of the tree. */
  digest: string;
  /** Bytes of file contents, each file once however many names it has. */
  bytes: number;
};

/**
 * Sets no file's time later than `epochSeconds` and measures the tree. Build time is the one thing that would otherwise
 * differ between two builds from the same packages.
 */
export async function sealTree(
  root: string,
  epochSeconds: number,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<TreeMeasure> {
  // The tree's own directory comes first.
  const entries = [".", ...entriesBelow(root).map((entry) => entry.name)];
  const hash = createHash("sha256");
  const seen = new Set<number>();
  let bytes = 0;
  for (const [index, entry] of entries.entries()) {
    signal.throwIfAborted();
    const place = path.join(root, entry);
    const stat = lstatSync(place);
    const seconds = Math.min(epochSeconds, Math.floor(stat.mtimeMs / 1000));
    const content = await contentOf(place, stat);
    // After the content was read, or the access would be later again.
    if (stat.mtimeMs / 1000 > epochSeconds) lutimesSync(place, epochSeconds, epochSeconds);
    hash.update(
      `${stat.mode.toString(8)} ${stat.uid} ${stat.gid} ${seconds} ${content} ${JSON.stringify(entry)}\n`,
    );
    if (stat.isFile() && !seen.has(stat.ino)) {
      seen.add(stat.ino);
      bytes += stat.size;
    }
    if (index % 100 === 0) {
      onProgress(index / entries.length);
      // Ctrl-C is to be heard.
      await turn();
    }
  }
  return { digest: hash.digest("hex"), bytes };
}

async function contentOf(place: string, stat: Stats): Promise<string> {
  if (stat.isSymbolicLink()) return `link ${JSON.stringify(readlinkSync(place))}`;
  if (stat.isFile()) {
    const small = stat.size <= smallBytes;
    return `file ${small ? createHash("sha256").update(readFileSync(place)).digest("hex") : await fileDigest(place)}`;
  }
  if (stat.isCharacterDevice() || stat.isBlockDevice()) return `device ${stat.rdev}`;
  return "-";
}
