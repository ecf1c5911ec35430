import type { Kysely } from "kysely";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { Lease } from "../model/node.ts";
import type { Tables } from "./tables.ts";

/** The leases in the database. */
export class LeaseStore {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async loadLeases(): Promise<Lease[]> {
    const rows = await this.#db.selectFrom("leases").selectAll().execute();
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
    await this.#db.transaction().execute(async (transaction) => {
      for (const lease of leases) {
        const columns = {
          client: lease.client,
          mac: lease.mac,
          hostname: lease.hostname ?? null,
          state: lease.state,
          started_at_ms: lease.startedAtMs,
          expires_at_ms: lease.expiresAtMs,
        };
        await transaction
          .insertInto("leases")
          .values({ ip: lease.ip, ...columns })
          .onConflict((conflict) => conflict.column("ip").doUpdateSet(columns))
          .execute();
      }
    });
  }
}
