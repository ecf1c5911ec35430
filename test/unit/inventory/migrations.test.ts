import assert from "node:assert/strict";
import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { databaseFile } from "../../../server/inventory/database.ts";
import * as init from "../../../server/inventory/migrations/0001-init.ts";
import * as largeClusters from "../../../server/inventory/migrations/0002-large-clusters.ts";
import * as hardwareApart from "../../../server/inventory/migrations/0003-hardware-apart.ts";
import * as identityAndOptions from "../../../server/inventory/migrations/0004-identity-and-options.ts";
import * as loader from "../../../server/inventory/migrations/0005-loader.ts";
import { sqliteDialect } from "../../../server/inventory/sqlite-dialect.ts";
import { openInventory } from "../../support/inventory.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const upTo4 = {
  "0001-init": init,
  "0002-large-clusters": largeClusters,
  "0003-hardware-apart": hardwareApart,
  "0004-identity-and-options": identityAndOptions,
};

/** A database as the version before loaders left it: one group and one node in it. */
async function writeFormer(state: string): Promise<void> {
  const raw = new DatabaseSync(databaseFile(state));
  const db = new Kysely<unknown>({ dialect: sqliteDialect(raw) });
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: async () => upTo4 },
  }).migrateToLatest();
  assert.equal(error, undefined);
  raw.exec(`insert into groups (name, image, kernel_arguments) values ('gpu', 'debian-13', '["quiet"]');
    insert into nodes (id, name, ip, kernel_arguments, machine_id, ssh_private_key, ssh_public_key, added_at_ms)
      values (7, 'n1', '10.0.1.11', '[]', 'aa', 'private', 'ssh-ed25519 AAAA', 5);
    insert into node_ports values ('52:54:00:00:00:01', 7, 0);
    insert into node_groups values (7, 'gpu', 0);`);
  await db.destroy();
}

function backupsIn(state: string): string[] {
  return readdirSync(join(state, "backups")).filter((name) => name.endsWith(".db"));
}

test("a database of the version before is backed up, gets its new columns, and keeps what is in it", async (t) => {
  const state = temporaryDirectory(t);
  await writeFormer(state);
  const first = await openInventory(state);
  assert.equal(first.directory.byName("n1")?.id, 7);
  assert.deepEqual(first.directory.byName("n1")?.groups, ["gpu"]);
  assert.equal("loader" in (first.directory.byName("n1") ?? {}), false);
  assert.deepEqual(first.directory.group("gpu"), {
    name: "gpu",
    image: "debian-13",
    kernelArguments: ["quiet"],
  });
  await first.inventory.setGroup({ name: "gpu", loader: "grub" });
  await first.inventory.setNodes({ range: "n1", loader: "ipxe" });
  await first.database.close();

  const [backup = "", ...more] = backupsIn(state);
  assert.deepEqual(more, []);
  const copy = new DatabaseSync(join(state, "backups", backup), { readOnly: true });
  const columns = copy.prepare("select name from pragma_table_info('nodes')").all();
  assert.equal(
    columns.some(({ name }) => name === "loader"),
    false,
  );
  assert.equal(copy.prepare("select name from nodes").get()?.["name"], "n1");
  copy.close();

  const second = await openInventory(state);
  t.after(() => second.database.close());
  assert.equal(second.directory.group("gpu")?.loader, "grub");
  assert.equal(second.directory.byName("n1")?.loader, "ipxe");
  assert.deepEqual(backupsIn(state), [backup], "nothing was to be changed any more");
});

test("the backup of the version before can be brought up to date again", async (t) => {
  const [state, other] = [temporaryDirectory(t), temporaryDirectory(t)];
  await writeFormer(state);
  await (await openInventory(state)).database.close();
  copyFileSync(join(state, "backups", backupsIn(state)[0] ?? ""), databaseFile(other));
  const restored = await openInventory(other);
  t.after(() => restored.database.close());
  assert.equal(restored.directory.byName("n1")?.ip, "10.0.1.11");
});

test("a new database has nothing to back up", async (t) => {
  const state = temporaryDirectory(t);
  await (await openInventory(state)).database.close();
  assert.deepEqual(backupsIn(state), []);
});

test("down takes the columns away and leaves the rest", async (t) => {
  const state = temporaryDirectory(t);
  await writeFormer(state);
  await (await openInventory(state)).database.close();
  const raw = new DatabaseSync(databaseFile(state));
  const db = new Kysely<unknown>({ dialect: sqliteDialect(raw) });
  await loader.down(db);
  assert.deepEqual(
    { ...raw.prepare("select * from groups where name = 'gpu'").get() },
    {
      name: "gpu",
      image: "debian-13",
      kernel_arguments: '["quiet"]',
      dhcp_options: "[]",
    },
  );
  await db.destroy();
});
