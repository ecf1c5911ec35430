import type { Kysely } from "kysely";

/** The loader of nodes and groups, where it is not the site's. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ["nodes", "groups"])
    await db.schema.alterTable(table).addColumn("loader", "text").execute();
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const table of ["nodes", "groups"]) await db.schema.alterTable(table).dropColumn("loader").execute();
}
