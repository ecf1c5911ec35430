import type { Kysely } from "kysely";
import type { NodeSecret } from "../model/node-secret.ts";
import type { Tables } from "./tables.ts";

/** Boot tokens and credentials in the database. */
export class SecretStore {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async load(): Promise<NodeSecret[]> {
    const rows = await this.#db.selectFrom("node_secrets").selectAll().execute();
    return rows.map((row) => ({
      nodeId: row.node_id,
      bootNonce: row.boot_nonce,
      ...(row.spent_on === null ? {} : { spentOn: row.spent_on }),
      ...(row.credential_digest === null ? {} : { credentialDigest: row.credential_digest }),
    }));
  }

  async save(secret: NodeSecret): Promise<void> {
    const columns = {
      boot_nonce: secret.bootNonce,
      spent_on: secret.spentOn ?? null,
      credential_digest: secret.credentialDigest ?? null,
    };
    await this.#db
      .insertInto("node_secrets")
      .values({ node_id: secret.nodeId, ...columns })
      .onConflict((conflict) => conflict.column("node_id").doUpdateSet(columns))
      .execute();
  }

  /** The head's own key, from which boot tokens are derived; `make` is kept the first time. */
  async headKey(make: () => string): Promise<string> {
    await this.#db
      .insertInto("settings")
      .values({ key: "head-key", value: make() })
      .onConflict((conflict) => conflict.column("key").doNothing())
      .execute();
    const row = await this.#db
      .selectFrom("settings")
      .select("value")
      .where("key", "=", "head-key")
      .executeTakeFirstOrThrow();
    return row.value;
  }
}
