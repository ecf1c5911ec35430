import { closeSync, fdatasync, openSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { AppError, messageOf } from "../lib/errors.ts";
import type { Write } from "./statements.ts";

type Prepared = { statement: StatementSync; returns: boolean };

/**
 * The only writer of a SQLite database. A write is one transaction of prepared statements, made in this very turn of the
 * event loop: nothing else can come between. It goes into the write-ahead log without waiting for the disk
 * (synchronous=NORMAL), and the log is then forced to the disk off the event loop, once for all that was written in the
 * meantime. That is what synchronous=FULL does, except that packets are answered while the disk works.
 */
export class DurableWriter {
  readonly #raw: DatabaseSync;
  readonly #log: number;
  readonly #prepared = new Map<string, Prepared>();
  #syncing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #broken: AppError | undefined;

  /** `logFile`: SQLite's `-wal`, which stays the same file for as long as the database is open. */
  constructor(raw: DatabaseSync, logFile: string) {
    this.#raw = raw;
    this.#log = openSync(logFile, "r");
  }

  /**
   * All of it or nothing. Resolves when it is on the disk, with the rows that each write's statement returned.
   * @throws the database's own error when nothing was written; AppError("unavailable") once the disk has failed.
   */
  async write(writes: readonly Write[]): Promise<unknown[][]> {
    if (this.#broken !== undefined) throw this.#broken;
    const returned = this.#transaction(writes);
    await this.#onDisk();
    return returned;
  }

  /** Resolves when nothing is on its way to the disk any more. Further writes are not allowed. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#syncing, this.#next]);
    closeSync(this.#log);
  }

  #transaction(writes: readonly Write[]): unknown[][] {
    this.#run("begin");
    try {
      const returned = writes.map((write) => this.#each(write));
      this.#run("commit");
      return returned;
    } catch (error) {
      // SQLite has rolled back by itself after some faults, a full disk among them.
      if (this.#raw.isTransaction) this.#run("rollback");
      throw error;
    }
  }

  #each({ sql, rows }: Write): unknown[] {
    if (rows.length === 0) return [];
    const { statement, returns } = this.#prepare(sql);
    if (returns) return rows.flatMap((row) => statement.all(...row));
    for (const row of rows) statement.run(...row);
    return [];
  }

  #run(sql: string): void {
    this.#prepare(sql).statement.run();
  }

  #prepare(sql: string): Prepared {
    let prepared = this.#prepared.get(sql);
    if (prepared === undefined) {
      const statement = this.#raw.prepare(sql);
      prepared = { statement, returns: statement.columns().length > 0 };
      this.#prepared.set(sql, prepared);
    }
    return prepared;
  }

  /** A sync that has begun may have missed what was just written: it is the one after that counts. */
  #onDisk(): Promise<void> {
    this.#next ??= this.#syncAfter(this.#syncing);
    return this.#next;
  }

  async #syncAfter(earlier: Promise<void> | undefined): Promise<void> {
    await earlier?.catch(() => undefined);
    this.#syncing = this.#next;
    this.#next = undefined;
    if (this.#broken !== undefined) throw this.#broken;
    await new Promise<void>((resolve, reject) => {
      fdatasync(this.#log, (error) => {
        if (error === null) return resolve();
        // What the disk has of it is unknown, and a second fdatasync would not tell (fsync(2), Linux since 4.13).
        this.#broken = new AppError("unavailable", `the disk of the database failed: ${messageOf(error)}`, {
          hint: "mend the disk and start the head again",
          cause: error,
        });
        reject(this.#broken);
      });
    });
  }
}
