import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { Lease } from "../model/node.ts";
import type { Database } from "./database.ts";
import { upsertInto } from "./statements.ts";

const saveLease = upsertInto("leases", "ip", [
  "client",
  "mac",
  "hostname",
  "state",
  "started_at_ms",
  "expires_at_ms",
]);

/** The leases in the database. */
export class LeaseStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async loadLeases(): Promise<Lease[]> {
    const rows = await this.#database.db.selectFrom("leases").selectAll().execute();
    return rows.map((row) => ({
      ip: row.ip as Ipv4,
      client: row.client,
      mac: row.mac as Mac,
      ...(row.hostname === null ? {} : { hostname: row.hostname }),
      state: row.state as Lease["state"],
      startedAtMs: row.started_at_ms,
      expiresAtMs: row.expires_at_ms,
    }));
  }

  /** Resolves when all of them are on the disk: one commit, however many. */
  async saveLeases(leases: readonly Lease[]): Promise<void> {
    const rows = leases.map((lease) => [
      lease.ip,
      lease.client,
      lease.mac,
      lease.hostname ?? null,
      lease.state,
      lease.startedAtMs,
      lease.expiresAtMs,
    ]);
    await this.#database.write([{ sql: saveLease, rows }]);
  }
}
