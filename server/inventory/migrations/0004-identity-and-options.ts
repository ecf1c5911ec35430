import type { Kysely } from "kysely";

/** What nodes are known by besides their ports, and the DHCP options of nodes and groups. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  for (const table of ["nodes", "groups"]) {
    await schema
      .alterTable(table)
      .addColumn("dhcp_options", "text", (column) => column.notNull().defaultTo("[]"))
      .execute();
  }
  await schema
    .alterTable("nodes")
    .addColumn("client_ids", "text", (column) => column.notNull().defaultTo("[]"))
    .execute();
  for (const table of ["nodes", "discovered"]) {
    for (const name of ["uuid", "relay_port"]) {
      await schema.alterTable(table).addColumn(name, "text").execute();
    }
  }
  await schema.createIndex("nodes_by_uuid").on("nodes").column("uuid").unique().execute();
  await schema.createIndex("nodes_by_relay_port").on("nodes").column("relay_port").unique().execute();
}

export async function down(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.dropIndex("nodes_by_relay_port").execute();
  await schema.dropIndex("nodes_by_uuid").execute();
  for (const table of ["nodes", "discovered"]) {
    for (const name of ["uuid", "relay_port"]) await schema.alterTable(table).dropColumn(name).execute();
  }
  await schema.alterTable("nodes").dropColumn("client_ids").execute();
  for (const table of ["nodes", "groups"])
    await schema.alterTable(table).dropColumn("dhcp_options").execute();
}
