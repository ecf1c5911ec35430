import type { Kysely } from "kysely";

/** Without them, every node that is changed or removed costs a walk through all ports and memberships. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const create = db.schema;
  await create.createIndex("node_ports_by_node").on("node_ports").column("node_id").execute();
  await create.createIndex("node_groups_by_group").on("node_groups").column("group_name").execute();
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex("node_groups_by_group").execute();
  await db.schema.dropIndex("node_ports_by_node").execute();
}
