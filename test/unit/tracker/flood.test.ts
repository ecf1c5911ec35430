import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { BootStore } from "../../../server/inventory/boot-store.ts";
import { silentLog } from "../../../server/lib/log.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import type { BootEvent } from "../../../server/model/boot-event.ts";
import { Tracker } from "../../../server/tracker/tracker.ts";
import { openInventory } from "../../support/inventory.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const strangerLimits = { most: 50, newcomers: { burst: 100, perSecond: 10 } };

async function rack(t: TestContext) {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  await inventory.addNodes({ range: "n1", macs: ["52:54:00:00:00:01"], ip: "10.0.1.11" });
  const clock = { now: 1_000_000_000, nowMs: () => clock.now };
  const store = new BootStore(database, { bootsKept: () => 3 });
  const tracker = new Tracker({ directory, store, clock, log: silentLog, strangerLimits });
  await tracker.load();
  const count = async (table: "boots" | "boot_events" | "discovered"): Promise<number> => {
    await tracker.flush();
    const row = await database.db
      .selectFrom(table)
      .select((each) => each.fn.countAll<number>().as("count"))
      .executeTakeFirstOrThrow();
    return row.count;
  };
  const see = (mac: string, event: object): void =>
    tracker.record({ mac: mac as Mac, atMs: clock.now, ...event } as BootEvent);
  return { inventory, directory, tracker, clock, store, count, see };
}

const asks = { kind: "offered", ip: "10.0.1.200", client: "ipxe", firmware: "bios" };

function made(number: number): string {
  return `02:00:00:${(number >> 16).toString(16).padStart(2, "0")}:${((number >> 8) & 255).toString(16).padStart(2, "0")}:${(number & 255).toString(16).padStart(2, "0")}`;
}

test("made-up addresses by the thousand: a bounded number is remembered, in memory and on the disk", async (t) => {
  const r = await rack(t);
  for (let number = 0; number < 20_000; number += 1) {
    r.see(made(number), asks);
    if (number % 10 === 0) r.clock.now += 1;
    if (number % 1000 === 0) await r.tracker.flush();
  }
  assert.equal(r.tracker.discovered().length, strangerLimits.most);
  assert.equal(await r.count("discovered"), strangerLimits.most);
  assert.equal(await r.count("boots"), strangerLimits.most);
  assert.equal(await r.count("boot_events"), strangerLimits.most);
});

test("a machine that keeps asking stays among the strangers, however many others come", async (t) => {
  const r = await rack(t);
  r.see(made(1), asks);
  for (let number = 1000; number < 2000; number += 1) {
    r.see(made(number), asks);
    r.clock.now += 100;
    if (number % 20 === 0) r.see(made(1), asks);
  }
  assert.ok(r.tracker.discovered().some((machine) => machine.mac === made(1)));
  assert.equal(r.tracker.discovered()[0]?.mac, made(1), "it was seen first");
});

test("a stranger that was forgotten and comes back is there, on the disk too", async (t) => {
  const r = await rack(t);
  for (let number = 0; number <= strangerLimits.most; number += 1) r.see(made(number), asks);
  r.see(made(0), asks);
  await r.tracker.flush();
  const again = new Tracker({ directory: r.directory, store: r.store, clock: r.clock, log: silentLog });
  await again.load();
  assert.ok(again.discovered().some((machine) => machine.mac === made(0)));
  assert.ok(again.lastBootOf(made(0) as Mac) !== undefined);
});

test("a flood in a node's name is recorded in part, and does not hide what the node says", async (t) => {
  const r = await rack(t);
  const node = r.directory.byName("n1") ?? assert.fail();
  r.see("52:54:00:00:00:01", asks);
  for (let number = 0; number < 50_000; number += 1) {
    r.see("52:54:00:00:00:01", { kind: "refused", step: "credential", message: "somebody" });
  }
  assert.ok((await r.count("boot_events")) <= 101);
  r.see("52:54:00:00:00:01", { kind: "starting" });
  r.see("52:54:00:00:00:01", { kind: "failed", message: "no root" });
  assert.equal(r.tracker.stateOf(node).phase, "failed");
  r.clock.now += 60_000;
  r.see("52:54:00:00:00:01", asks);
  assert.equal(r.tracker.stateOf(node).phase, "offered");
});

test("one boot keeps a bounded number of events, and still moves on", async (t) => {
  const r = await rack(t);
  const node = r.directory.byName("n1") ?? assert.fail();
  r.see("52:54:00:00:00:01", asks);
  for (let number = 0; number < 5000; number += 1) {
    r.clock.now += 1000;
    r.see("52:54:00:00:00:01", { kind: "refused", step: "credential", message: "somebody" });
  }
  assert.equal(await r.count("boot_events"), 1000);
  r.see("52:54:00:00:00:01", { kind: "up" });
  assert.equal(r.tracker.stateOf(node).phase, "up");
  assert.equal(await r.count("boot_events"), 1001);
});

test("a machine that boots for ever leaves the newest boots only, without anybody tidying up", async (t) => {
  const r = await rack(t);
  for (let boot = 0; boot < 40; boot += 1) {
    r.clock.now += 10_000;
    r.see("52:54:00:00:00:01", asks);
    r.see("52:54:00:00:00:01", { kind: "up" });
    if (boot % 3 === 0) await r.tracker.flush();
  }
  assert.equal(await r.count("boots"), 3);
  assert.equal(await r.count("boot_events"), 6);
});

test("nodes that were removed leave nothing behind in memory", async (t) => {
  const r = await rack(t);
  const node = r.directory.byName("n1") ?? assert.fail();
  r.see("52:54:00:00:00:01", asks);
  r.see("52:54:00:00:00:01", { kind: "up" });
  await r.inventory.removeNodes({ range: "n1", force: true });
  r.clock.now += 700_000;
  r.tracker.lookForSilence();
  assert.equal(r.tracker.lastBootOf(node), undefined);
});
