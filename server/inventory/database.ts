import { chmodSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { systemClock } from "../lib/clock.ts";
import { AppError, messageOf } from "../lib/errors.ts";
import * as init from "./migrations/0001-init.ts";
import * as largeClusters from "./migrations/0002-large-clusters.ts";
import * as hardwareApart from "./migrations/0003-hardware-apart.ts";
import * as identityAndOptions from "./migrations/0004-identity-and-options.ts";
import * as loader from "./migrations/0005-loader.ts";
import { backUp, copyTo, newestBackup } from "./backups.ts";
import { DurableWriter } from "./durable-writer.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";
import type { Write } from "./statements.ts";
import type { Tables } from "./tables.ts";

export type Database = {
  /** For questions and the schema; what is written goes through `write`. */
  db: Kysely<Tables>;
  /** All of it or nothing; resolves when it is on the disk, with the rows that each write's statement returned. */
  write: (writes: readonly Write[]) => Promise<unknown[][]>;
  file: string;
  close: () => Promise<void>;
  /** Writes a sound copy beside the database's backups and keeps the newest ones; packets are answered meanwhile. */
  backup: (nowMs: number) => Promise<void>;
  /** Writes a sound copy to a file of its own in the state directory, for whoever asks; its path. */
  snapshot: (name: string) => Promise<string>;
};

/** The database's file below the state directory. */
export function databaseFile(stateDirectory: string): string {
  return join(stateDirectory, "provision.db");
}

/**
 * Opens the one database, for this process alone until it is closed: SQLite's exclusive locking mode keeps every other
 * process out, and the kernel drops the lock with the process however it ends.
 * @throws AppError("unavailable") when another process has it, AppError("environment") when it is not sound.
 */
export async function openDatabase(stateDirectory: string): Promise<Database> {
  const file = databaseFile(stateDirectory);
  const backups = join(stateDirectory, "backups");
  mkdirSync(backups, { recursive: true, mode: 0o700 });
  const raw = openExclusive(file, backups);
  chmodSync(file, 0o600);
  const db = new Kysely<Tables>({ dialect: sqliteDialect(raw) });
  try {
    await migrate(db, () => backUp(raw, backups, systemClock.nowMs()));
  } catch (error) {
    raw.close();
    throw error;
  }
  const writer = new DurableWriter(raw, `${file}-wal`);
  let copying: Promise<void> = Promise.resolve();
  return {
    db,
    write: (writes) => writer.write(writes),
    file,
    close: async () => {
      await Promise.allSettled([writer.close(), copying]);
      await db.destroy();
    },
    backup: (nowMs) => {
      copying = copying.catch(() => undefined).then(() => backUp(raw, backups, nowMs));
      return copying;
    },
    snapshot: async (name) => {
      const target = join(stateDirectory, name);
      const copied = copying.catch(() => undefined).then(() => copyTo(raw, target));
      copying = copied;
      await copied;
      return target;
    },
  };
}

function openExclusive(file: string, backups: string): DatabaseSync {
  let raw: DatabaseSync | undefined;
  try {
    raw = new DatabaseSync(file, { timeout: 3000, enableForeignKeyConstraints: true });
    // NORMAL keeps the file sound; that a commit is on the disk is DurableWriter's business.
    raw.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;");
    raw.exec("BEGIN IMMEDIATE; COMMIT;");
    for (const table of tablesOf(raw)) {
      const verdict = Object.values(raw.prepare(`PRAGMA quick_check(${table})`).get() ?? {})[0];
      if (verdict !== "ok") throw new Error(String(verdict));
    }
    return raw;
  } catch (error) {
    raw?.close();
    throw openError(error, file, backups);
  }
}

/** All but what is only shown: the record of 100,000 nodes' boots takes longer to read than the head may take to start. */
function tablesOf(raw: DatabaseSync): string[] {
  const shown = new Set(["boots", "boot_events", "node_hardware"]);
  const rows = raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  return rows.map((row) => String(row["name"])).filter((name) => !shown.has(name));
}

function openError(error: unknown, file: string, backups: string): AppError {
  const message = messageOf(error);
  if (/database is locked|database is busy/.test(message)) {
    const holder = lockHolder(file);
    return new AppError(
      "unavailable",
      `the database ${file} is in use${holder === undefined ? "" : ` by ${holder}`}`,
      {
        hint: "talk to the running head with its own configuration, or wait until that command has ended",
        cause: error,
      },
    );
  }
  if (
    /not a database|malformed|corrupt|quick_check|\*\*\* in database/i.test(message) ||
    /row \d|btree|page/i.test(message)
  ) {
    const newest = newestBackup(backups);
    return new AppError("environment", `the database ${file} is damaged: ${message}`, {
      hint:
        newest === undefined
          ? `there is no backup in ${backups}; move the file away and run \`provision init\` to begin anew`
          : `restore the newest backup: mv ${file} ${file}.damaged && rm -f ${file}-wal && cp ${newest} ${file}`,
      cause: error,
    });
  }
  return new AppError("environment", `cannot open the database ${file}: ${message}`, { cause: error });
}

/** Who holds a lock on the file, by /proc/locks (proc(5)): `node (process 123)`. */
function lockHolder(file: string): string | undefined {
  const inode = statSync(file).ino;
  for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
    const fields = line.trim().split(/\s+/);
    const pid = fields[4];
    if (pid !== undefined && fields[5]?.endsWith(`:${inode}`) === true && Number(pid) !== process.pid) {
      return `process ${pid}`;
    }
  }
  return undefined;
}

/** `backup`: called before the tables of another version are changed, since nothing but that copy leads back. */
async function migrate(db: Kysely<Tables>, backup: () => Promise<void>): Promise<void> {
  const migrations = {
    "0001-init": init,
    "0002-large-clusters": largeClusters,
    "0003-hardware-apart": hardwareApart,
    "0004-identity-and-options": identityAndOptions,
    "0005-loader": loader,
  };
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const fail = (error: unknown): AppError =>
    new AppError("environment", `the database cannot be brought up to date: ${messageOf(error)}`, {
      cause: error,
    });
  const done = await migrator.getMigrations();
  const isOlder = done.some(({ executedAt }) => executedAt !== undefined);
  if (isOlder && done.some(({ executedAt }) => executedAt === undefined)) {
    await backup().catch((error: unknown) => {
      throw fail(error);
    });
  }
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw fail(error);
}
