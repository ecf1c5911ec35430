import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { Lease } from "../model/node.ts";
import type { Database } from "./database.ts";
import { upsertInto } from "./statements.ts";
import type { Tables } from "./tables.ts";

const saveLease = upsertInto("leases", "ip", [
  "client",
  "mac",
  "hostname",
  "state",
  "started_at_ms",
  "expires_at_ms",
]);

/** Rows read at once: all of them together would take more memory than the leases do. */
const rowsAtOnce = 5000;

/** The leases in the database. */
export class LeaseStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async loadLeases(): Promise<Lease[]> {
    const leases: Lease[] = [];
    for (let last = ""; ;) {
      const rows = await this.#database.db
        .selectFrom("leases")
        .selectAll()
        .where("ip", ">", last)
        .orderBy("ip")
        .limit(rowsAtOnce)
        .execute();
      for (const row of rows) leases.push(leaseFromRow(row));
      if (rows.length < rowsAtOnce) return leases;
      last = rows.at(-1)?.ip ?? last;
    }
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

function leaseFromRow(row: Tables["leases"]): Lease {
  return {
    ip: row.ip as Ipv4,
    client: row.client,
    mac: row.mac as Mac,
    ...(row.hostname === null ? {} : { hostname: row.hostname }),
    state: row.state as Lease["state"],
    startedAtMs: row.started_at_ms,
    expiresAtMs: row.expires_at_ms,
  };
}
