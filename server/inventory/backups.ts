import { chmodSync, closeSync, fdatasync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { backup, type DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";

const backupsKept = 14;
/** Pages copied at a time. A write of the head waits for one such step at most: a fraction of a millisecond. */
const pagesOfStep = 100;
/** Not whole yet, or never made whole: a head that was killed has left it. */
const unfinished = ".unfinished";

/**
 * Writes a sound copy of an open database into the directory and keeps the newest ones. The copying is done off the event
 * loop, in steps (SQLite's online backup); what is written meanwhile is in the copy too.
 */
export async function backUp(raw: DatabaseSync, directory: string, nowMs: number): Promise<void> {
  for (const name of readdirSync(directory)) {
    if (name.endsWith(unfinished)) rmSync(join(directory, name));
  }
  const file = join(directory, `provision-${new Date(nowMs).toISOString().replaceAll(/[:.]/g, "-")}.db`);
  const part = file + unfinished;
  await copyTo(raw, part);
  renameSync(part, file);
  for (const old of backupFiles(directory).slice(0, -backupsKept)) rmSync(join(directory, old));
}

/** The copy alone, which only its owner may read. */
export async function copyTo(raw: DatabaseSync, file: string): Promise<void> {
  const descriptor = openSync(file, "w", 0o600);
  try {
    await backup(raw, file, { rate: pagesOfStep, progress: syncing(descriptor) });
  } finally {
    closeSync(descriptor);
  }
  chmodSync(file, 0o600);
}

/** The last step forces the copy to the disk with the database locked: this leaves it next to nothing to force. */
function syncing(descriptor: number): () => void {
  const sync = promisify(fdatasync);
  let running = false;
  return () => {
    if (running) return;
    running = true;
    void sync(descriptor)
      .catch(() => undefined) // the backup's own sync will fail, too, and is reported
      .finally(() => (running = false));
  };
}

export function newestBackup(directory: string): string | undefined {
  const newest = backupFiles(directory).at(-1);
  return newest === undefined ? undefined : join(directory, newest);
}

function backupFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => /^provision-.*\.db$/.test(name))
    .sort();
}
