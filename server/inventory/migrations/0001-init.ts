import type { Kysely } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  const create = db.schema;
  await create
    .createTable("nodes")
    .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
    .addColumn("name", "text", (column) => column.notNull().unique())
    .addColumn("ip", "text", (column) => column.notNull().unique())
    .addColumn("image", "text")
    .addColumn("kernel_arguments", "text", (column) => column.notNull())
    .addColumn("machine_id", "text", (column) => column.notNull())
    .addColumn("ssh_private_key", "text", (column) => column.notNull())
    .addColumn("ssh_public_key", "text", (column) => column.notNull())
    .addColumn("added_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await create
    .createTable("node_ports")
    .addColumn("mac", "text", (column) => column.primaryKey())
    .addColumn("node_id", "integer", (column) => column.notNull().references("nodes.id").onDelete("cascade"))
    .addColumn("position", "integer", (column) => column.notNull())
    .execute();
  await create
    .createTable("groups")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("image", "text")
    .addColumn("kernel_arguments", "text", (column) => column.notNull())
    .execute();
  // Every rack has them; further groups are the user's.
  await db
    .insertInto("groups" as never)
    .values({ name: "compute", kernel_arguments: "[]" })
    .execute();
  await create
    .createTable("node_groups")
    .addColumn("node_id", "integer", (column) => column.notNull().references("nodes.id").onDelete("cascade"))
    .addColumn("group_name", "text", (column) => column.notNull().references("groups.name"))
    .addColumn("position", "integer", (column) => column.notNull())
    .addPrimaryKeyConstraint("node_groups_key", ["node_id", "group_name"])
    .execute();
  await create
    .createTable("leases")
    .addColumn("ip", "text", (column) => column.primaryKey())
    .addColumn("client", "text", (column) => column.notNull())
    .addColumn("mac", "text", (column) => column.notNull())
    .addColumn("hostname", "text")
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("started_at_ms", "bigint", (column) => column.notNull())
    .addColumn("expires_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await create
    .createTable("discovered")
    .addColumn("mac", "text", (column) => column.primaryKey())
    .addColumn("first_seen_ms", "bigint", (column) => column.notNull())
    .addColumn("last_seen_ms", "bigint", (column) => column.notNull())
    .addColumn("firmware", "text")
    .addColumn("vendor_class", "text")
    .addColumn("ip", "text")
    .execute();
  await create
    .createTable("boots")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("mac", "text", (column) => column.notNull())
    .addColumn("node_id", "integer")
    .addColumn("started_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await create
    .createTable("boot_events")
    .addColumn("sequence", "integer", (column) => column.primaryKey())
    .addColumn("boot_id", "integer", (column) => column.notNull().references("boots.id").onDelete("cascade"))
    .addColumn("mac", "text", (column) => column.notNull())
    .addColumn("node_id", "integer")
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("event", "text", (column) => column.notNull())
    .execute();
  await create.createIndex("boot_events_by_boot").on("boot_events").column("boot_id").execute();
  await create.createIndex("boots_by_mac").on("boots").column("mac").execute();
  await create.createIndex("boots_by_node").on("boots").column("node_id").execute();
  await create
    .createTable("node_states")
    .addColumn("node_id", "integer", (column) =>
      column.primaryKey().references("nodes.id").onDelete("cascade"),
    )
    .addColumn("phase", "text", (column) => column.notNull())
    .addColumn("phase_since_ms", "bigint", (column) => column.notNull())
    .addColumn("boot_id", "integer")
    .addColumn("last_heartbeat_ms", "bigint")
    .addColumn("hardware", "text")
    .execute();
  await create
    .createTable("node_secrets")
    .addColumn("node_id", "integer", (column) =>
      column.primaryKey().references("nodes.id").onDelete("cascade"),
    )
    .addColumn("boot_nonce", "text", (column) => column.notNull())
    .addColumn("spent_on", "text")
    .addColumn("credential_digest", "text")
    .execute();
  await create
    .createTable("settings")
    .addColumn("key", "text", (column) => column.primaryKey())
    .addColumn("value", "text", (column) => column.notNull())
    .execute();
}

export async function down(): Promise<void> {
  throw new Error("the first migration has nothing to go back to");
}
