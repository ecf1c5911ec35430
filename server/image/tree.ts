import { createHash } from "node:crypto";
import { type Stats, lstatSync, lutimesSync, readdirSync, readlinkSync } from "node:fs";
import path from "node:path";
import { fileDigest } from "./inputs.ts";

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
  const entries = entriesBelow(root);
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
    if (index % 200 === 0) onProgress(index / entries.length);
  }
  return { digest: hash.digest("hex"), bytes };
}

/** The tree's own directory comes first, as ".". */
function entriesBelow(root: string): string[] {
  const below = readdirSync(root, { recursive: true, withFileTypes: true }).map((entry) =>
    path.relative(root, path.join(entry.parentPath, entry.name)),
  );
  return [".", ...below.sort()];
}

async function contentOf(place: string, stat: Stats): Promise<string> {
  if (stat.isSymbolicLink()) return `link ${JSON.stringify(readlinkSync(place))}`;
  if (stat.isFile()) return `file ${await fileDigest(place)}`;
  if (stat.isCharacterDevice() || stat.isBlockDevice()) return `device ${stat.rdev}`;
  return "-";
}
