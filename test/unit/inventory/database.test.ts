import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { databaseFile, openDatabase } from "../../../server/inventory/database.ts";
import { LeaseStore } from "../../../server/inventory/lease-store.ts";
import { AppError } from "../../../server/lib/errors.ts";
import type { Lease } from "../../../server/model/node.ts";
import { openInventory } from "../../support/inventory.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

function lease(number: number): Lease {
  return {
    ip: `10.0.1.${number}` as never,
    client: `mac:${number}`,
    mac: `52:54:00:00:00:${number.toString(16).padStart(2, "0")}` as never,
    state: "bound",
    startedAtMs: 1,
    expiresAtMs: 2,
  };
}

test("leases are there after the database is opened again, the last word on each address", async (t) => {
  const state = temporaryDirectory(t);
  const first = await openDatabase(state);
  const store = new LeaseStore(first);
  await store.saveLeases([lease(1), { ...lease(2), hostname: "n2" }]);
  await store.saveLeases([{ ...lease(1), state: "released" }]);
  await first.close();
  const second = await openDatabase(state);
  t.after(() => second.close());
  const leases = await new LeaseStore(second).loadLeases();
  assert.deepEqual(
    leases.toSorted((a, b) => (a.ip < b.ip ? -1 : 1)),
    [
      { ...lease(1), state: "released" },
      { ...lease(2), hostname: "n2" },
    ],
  );
});

test("the database and its backups are for their owner's eyes only", async (t) => {
  const state = temporaryDirectory(t);
  const database = await openDatabase(state);
  t.after(() => database.close());
  await database.backup(0);
  assert.equal(statSync(databaseFile(state)).mode & 0o777, 0o600);
  for (const name of readdirSync(join(state, "backups")))
    assert.equal(statSync(join(state, "backups", name)).mode & 0o077, 0);
});

test("only the newest fourteen backups are kept", async (t) => {
  const state = temporaryDirectory(t);
  const database = await openDatabase(state);
  t.after(() => database.close());
  for (let day = 0; day < 17; day += 1) await database.backup(day * 86_400_000);
  const names = readdirSync(join(state, "backups")).toSorted();
  assert.equal(names.length, 14);
  assert.match(names[0] ?? "", /1970-01-04/);
});

test("what is written while a backup is made goes on, and the backup is sound and whole", async (t) => {
  const state = temporaryDirectory(t);
  const { inventory, database } = await openInventory(state);
  await inventory.addNodes({ range: "n[1-150]" });
  const store = new LeaseStore(database);
  const wide = Array.from({ length: 4000 }, (_, n) => ({
    ...lease(n % 200),
    ip: `10.1.${n >> 8}.${n & 255}` as never,
  }));
  await store.saveLeases(wide);
  const backup = database.backup(0);
  for (let n = 1; n < 100; n += 1) await store.saveLeases([lease(n)]);
  await backup;
  await database.close();
  const [name] = readdirSync(join(state, "backups"));
  assert.deepEqual(readdirSync(join(state, "backups")), [name]);
  const copy = temporaryDirectory(t);
  copyFileSync(join(state, "backups", name ?? ""), databaseFile(copy));
  const restored = await openInventory(copy);
  t.after(() => restored.database.close());
  assert.equal(restored.directory.nodes().length, 150);
  assert.ok((await new LeaseStore(restored.database).loadLeases()).length >= 4000);
});

test("a backup that a killed head left half-made is cleared away and never counted", async (t) => {
  const state = temporaryDirectory(t);
  const database = await openDatabase(state);
  t.after(() => database.close());
  const left = join(state, "backups", "provision-1969-01-01T00-00-00-000Z.db.unfinished");
  writeFileSync(left, "half");
  await database.backup(0);
  assert.deepEqual(readdirSync(join(state, "backups")), ["provision-1970-01-01T00-00-00-000Z.db"]);
});

test("one process at a time: the second is told who has it", async (t) => {
  const state = temporaryDirectory(t);
  const database = await openDatabase(state);
  t.after(() => database.close());
  const script = `import { openDatabase } from ${JSON.stringify(join(import.meta.dirname, "../../../server/inventory/database.ts"))};
    try { await openDatabase(${JSON.stringify(state)}); console.log("opened"); } catch (error) { console.log(error.code, error.message); }`;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.match(said, new RegExp(`^unavailable .*in use by process ${process.pid}`));
});

test("a damaged database is refused, with the way to restore the newest backup, which works", async (t) => {
  const state = temporaryDirectory(t);
  const { inventory, database } = await openInventory(state);
  await inventory.addNodes({ range: "n1" });
  await database.backup(Date.now());
  await database.close();
  writeFileSync(databaseFile(state), "this is no database, and long enough to be taken for one".repeat(100));
  await assert.rejects(openDatabase(state), (error) => {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, "environment");
    assert.match(error.message, /damaged/);
    const backup = /cp (\S+) \S+$/.exec(error.hint ?? "")?.[1] ?? "";
    assert.notEqual(backup, "");
    copyFileSync(backup, databaseFile(state));
    return true;
  });
  const restored = await openInventory(state);
  t.after(() => restored.database.close());
  assert.equal(restored.directory.byName("n1")?.name, "n1");
});

test("a database that has lost its second half is found to be damaged", async (t) => {
  const state = temporaryDirectory(t);
  const { inventory, database } = await openInventory(state);
  for (let batch = 0; batch < 5; batch += 1) await inventory.addNodes({ range: `b${batch}n[1-30]` });
  await database.close();
  truncateSync(databaseFile(state), Math.floor(statSync(databaseFile(state)).size / 2 / 4096) * 4096);
  await assert.rejects(
    openDatabase(state),
    (error) => error instanceof AppError && error.code === "environment" && /damaged/.test(error.message),
  );
});

test("kill -9 loses no lease that was acknowledged", async (t) => {
  const state = temporaryDirectory(t);
  const source = (path: string): string =>
    JSON.stringify(join(import.meta.dirname, "../../../server/inventory", path));
  // Saves lease after lease and says so after each: what it has said must be there.
  const script = `import { openDatabase } from ${source("database.ts")};
    import { LeaseStore } from ${source("lease-store.ts")};
    const store = new LeaseStore(await openDatabase(${JSON.stringify(state)}));
    for (let n = 1; ; n += 1) {
      await store.saveLeases([{ ip: "10.0." + (n >> 8) + "." + (n & 255), client: "c", mac: "52:54:00:00:00:01", state: "bound", startedAtMs: 1, expiresAtMs: 2 }]);
      console.log(n);
    }`;
  for (let round = 0; round < 3; round += 1) {
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let acknowledged = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line);
      if (acknowledged === 40 + round * 17) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    const database = await openDatabase(state);
    const leases = await new LeaseStore(database).loadLeases();
    await database.close();
    assert.ok(acknowledged >= 40);
    assert.ok(leases.length >= acknowledged, `${leases.length} leases, ${acknowledged} acknowledged`);
  }
});
