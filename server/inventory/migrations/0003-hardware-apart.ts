import { type Kysely, sql } from "kysely";

/** What a node is made of is long, and only shown: in a table of its own it is not in the way of what is written often. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("node_hardware")
    .addColumn("node_id", "integer", (column) =>
      column.primaryKey().references("nodes.id").onDelete("cascade"),
    )
    .addColumn("hardware", "text", (column) => column.notNull())
    .execute();
  await sql`insert into node_hardware select node_id, hardware from node_states where hardware is not null`.execute(
    db,
  );
  await db.schema.alterTable("node_states").dropColumn("hardware").execute();
}

export async function down(): Promise<void> {
  throw new Error("there is no way back from here");
}
