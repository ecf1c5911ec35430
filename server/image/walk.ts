import { readdirSync } from "node:fs";
import path from "node:path";

export type Entry = { name: string; directory: boolean };

/**
 * Everything below a directory, by its name relative to it, in one order everywhere. Links are not followed, which
 * readdir's own `recursive` does: into /proc by way of a root's /dev/fd, for one.
 */
export function entriesBelow(root: string): Entry[] {
  const found: Entry[] = [];
  const waiting = [""];
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    for (const entry of readdirSync(path.join(root, below), { withFileTypes: true })) {
      const name = path.join(below, entry.name);
      const directory = entry.isDirectory();
      found.push({ name, directory });
      if (directory) waiting.push(name);
    }
  }
  return found.sort((left, right) => (left.name < right.name ? -1 : 1));
}
