import type { NodeSecret } from "../model/node-secret.ts";
import type { Database } from "./database.ts";
import { insertInto, onConflict, type SqlValue } from "./statements.ts";
import type { Tables } from "./tables.ts";

// Of a node that is still there.
const secretColumns = ["boot_nonce", "spent_on", "credential_digest"] as const;
const saveSecret = `insert into node_secrets (node_id, ${secretColumns.join(", ")}) select id, ?, ?, ? from nodes where id = ? ${onConflict("node_id", secretColumns)}`;
const keepSetting = `${insertInto("settings", ["key", "value"])} on conflict (key) do nothing`;

/** Rows read at once: all of them together would take more memory than the secrets do. */
const rowsAtOnce = 5000;

/** Boot tokens and credentials in the database. */
export class SecretStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async load(): Promise<NodeSecret[]> {
    const secrets: NodeSecret[] = [];
    for (let last = 0; ;) {
      const rows = await this.#database.db
        .selectFrom("node_secrets")
        .selectAll()
        .where("node_id", ">", last)
        .orderBy("node_id")
        .limit(rowsAtOnce)
        .execute();
      for (const row of rows) secrets.push(secretFromRow(row));
      if (rows.length < rowsAtOnce) return secrets;
      last = rows.at(-1)?.node_id ?? last;
    }
  }

  /** One commit. A node that has been removed since is passed over: its secrets went with it. */
  async save(secrets: readonly NodeSecret[]): Promise<void> {
    await this.#database.write([{ sql: saveSecret, rows: secrets.map(secretRow) }]);
  }

  /** The head's own key, from which boot tokens are derived; `make` is kept the first time. */
  async headKey(make: () => string): Promise<string> {
    await this.#database.write([{ sql: keepSetting, rows: [["head-key", make()]] }]);
    const row = await this.#database.db
      .selectFrom("settings")
      .select("value")
      .where("key", "=", "head-key")
      .executeTakeFirstOrThrow();
    return row.value;
  }
}

function secretRow({ nodeId, bootNonce, spentOn, credentialDigest }: NodeSecret): SqlValue[] {
  return [bootNonce, spentOn ?? null, credentialDigest ?? null, nodeId];
}

function secretFromRow(row: Tables["node_secrets"]): NodeSecret {
  return {
    nodeId: row.node_id,
    bootNonce: row.boot_nonce,
    ...(row.spent_on === null ? {} : { spentOn: row.spent_on }),
    ...(row.credential_digest === null ? {} : { credentialDigest: row.credential_digest }),
  };
}
