import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { databaseFile, openDatabase } from "../../../server/inventory/database.ts";
import { insertInto, upsertInto } from "../../../server/inventory/statements.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const addSetting = insertInto("settings", ["key", "value"]);

async function open(state: string) {
  const database = await openDatabase(state);
  const settings = async (): Promise<[string, string][]> => {
    const rows = await database.db.selectFrom("settings").selectAll().orderBy("key").execute();
    return rows.map(({ key, value }) => [key, value]);
  };
  return { database, settings };
}

test("writes at the same time are each whole, and in the order of the calls", async (t) => {
  const { database, settings } = await open(temporaryDirectory(t));
  t.after(() => database.close());
  const sql = upsertInto("settings", "key", ["value"]);
  await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      database.write([
        { sql, rows: [["last", String(index)]] },
        { sql, rows: [[`key ${String(index).padStart(2, "0")}`, "x"]] },
      ]),
    ),
  );
  const rows = await settings();
  assert.equal(rows.length, 51);
  assert.deepEqual(rows.at(-1), ["last", "49"]);
});

test("of a write that fails in its last row nothing stays, and the next one goes through", async (t) => {
  const { database, settings } = await open(temporaryDirectory(t));
  t.after(() => database.close());
  const rows = [
    ["a", "1"],
    ["b", "2"],
    ["a", "3"],
  ];
  await assert.rejects(database.write([{ sql: addSetting, rows }]), /UNIQUE/);
  assert.deepEqual(await settings(), []);
  await database.write([{ sql: addSetting, rows: rows.slice(1) }]);
  assert.deepEqual(await settings(), [
    ["a", "3"],
    ["b", "2"],
  ]);
});

test("rows that a statement returns come back in the order of its rows", async (t) => {
  const { database } = await open(temporaryDirectory(t));
  t.after(() => database.close());
  const returned = await database.write([
    { sql: addSetting, rows: [["a", "1"]] },
    {
      sql: `${addSetting} returning value`,
      rows: [
        ["b", "2"],
        ["c", "3"],
      ],
    },
  ]);
  assert.deepEqual(
    returned.map((rows) => rows.map((row) => (row as { value: string }).value)),
    [[], ["2", "3"]],
  );
});

test("the log that is forced to the disk is the one that SQLite writes to, checkpoints and backups later too", async (t) => {
  const state = temporaryDirectory(t);
  const { database } = await open(state);
  t.after(() => database.close());
  const log = `${databaseFile(state)}-wal`;
  const before = statSync(log).ino;
  const text = (round: number): string => String(round).repeat(20_000);
  const sql = upsertInto("settings", "key", ["value"]);
  for (let round = 0; round < 200; round += 1)
    await database.write([{ sql, rows: [[String(round % 7), text(round)]] }]);
  await database.backup(0);
  await database.write([{ sql, rows: [["after", text(1)]] }]);
  assert.ok(statSync(databaseFile(state)).size > 300_000, "there was a checkpoint");
  assert.equal(statSync(log).ino, before);
});

test("kill -9 in the middle of writes: of each all or nothing, and nothing of what was acknowledged is lost", async (t) => {
  const state = temporaryDirectory(t);
  const source = (path: string): string =>
    JSON.stringify(join(import.meta.dirname, "../../../server/inventory", path));
  // Many writes under way at once, thirty rows each; each says so when it is on the disk.
  const script = `import { openDatabase } from ${source("database.ts")};
    import { insertInto } from ${source("statements.ts")};
    const database = await openDatabase(${JSON.stringify(state)});
    const sql = insertInto("settings", ["key", "value"]);
    const run = process.argv[1];
    for (let n = 0; ; n += 1) {
      const rows = Array.from({ length: 30 }, (_, row) => [run + "-" + n + "-" + row, "x".repeat(500)]);
      const written = database.write([{ sql, rows }]).then(() => console.log(n));
      if (n % 5 === 0) await written;
    }`;
  for (let run = 0; run < 3; run += 1) {
    const child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script, String(run)],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const acknowledged: number[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.push(Number(line));
      if (acknowledged.length === 60 + run * 37) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    const { database, settings } = await open(state);
    const rows = await settings();
    await database.close();
    const written = Map.groupBy(rows, ([key]) => key.split("-").slice(0, 2).join("-"));
    for (const [name, parts] of written) assert.equal(parts.length, 30, `${name} is whole`);
    for (const number of acknowledged)
      assert.ok(written.has(`${run}-${number}`), `${run}-${number} is there`);
  }
});
