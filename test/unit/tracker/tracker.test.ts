import assert from "node:assert/strict";
import { test } from "node:test";
import { lostAfterMs, type NodeReport } from "../../../agent/contract.ts";
import { BootStore } from "../../../server/inventory/boot-store.ts";
import { silentLog } from "../../../server/lib/log.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import type { BootEvent } from "../../../server/model/boot-event.ts";
import type { ClusterNode } from "../../../server/model/node.ts";
import { Tracker, type TrackerStore } from "../../../server/tracker/tracker.ts";
import { openInventory } from "../../support/inventory.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import type { TestContext } from "node:test";

const mac = "52:54:00:00:00:01" as Mac;
const stranger = "52:54:00:00:00:99" as Mac;

async function rack(t: TestContext, state = temporaryDirectory(t), bootsKept = 20) {
  const { inventory, directory, database } = await openInventory(state);
  if (directory.byName("n1") === undefined) {
    await inventory.addNodes({ range: "n1", macs: [mac, "52:54:00:00:01:01"], ip: "10.0.1.11" });
  }
  const clock = { now: 1_000_000, nowMs: () => clock.now };
  const store = new BootStore(database, { bootsKept: () => bootsKept });
  const tracker = new Tracker({ directory, store, clock, log: silentLog });
  await tracker.load();
  const node = (): ClusterNode => {
    const found = directory.byName("n1");
    assert.ok(found);
    return found;
  };
  const close = async (): Promise<void> => {
    await tracker.stop();
    await database.close();
  };
  const see = (event: object, port: Mac = mac): void => {
    tracker.record({ mac: port, atMs: clock.now, ...event } as BootEvent);
    clock.now += 1000;
  };
  return { inventory, directory, tracker, clock, node, store, state, close, see };
}

const transfer = { file: "f", bytes: 10, durationMs: 5, via: "http" };
const offered = (client: string): object => ({ kind: "offered", ip: "10.0.1.11", client, firmware: "bios" });
const report: NodeReport = {
  uptimeSeconds: 50,
  load: { average: [0, 0, 0], runnable: 1, memoryAvailableBytes: 1, cpuBusy: 0 },
};

test("a boot walks through its phases in one boot, whatever is repeated on the way", async (t) => {
  const r = await rack(t);
  t.after(r.close);
  const phases: string[] = [];
  for (const event of [
    offered("firmware"),
    offered("firmware"),
    { kind: "loader", ...transfer },
    offered("ipxe"),
    { kind: "script", bytes: 1, known: true },
    { kind: "kernel", ...transfer },
    { kind: "script", bytes: 1, known: true },
    { kind: "kernel", ...transfer },
    { kind: "initrd", ...transfer },
    { kind: "overlay", ...transfer },
    offered("system"),
    { kind: "starting" },
    { kind: "root" },
    { kind: "up" },
    offered("system"),
  ]) {
    r.see(event);
    phases.push(r.tracker.stateOf(r.node()).phase);
  }
  assert.deepEqual(phases, [
    "offered",
    "offered",
    "loader",
    "loader",
    "script",
    "kernel",
    "kernel",
    "kernel",
    "initrd",
    "overlay",
    "overlay",
    "starting",
    "root",
    "up",
    "up",
  ]);
  assert.equal(r.tracker.lastBootOf(r.node())?.id, 1);
});

test("a firmware that asks again after the system was up begins another boot, by any port", async (t) => {
  const r = await rack(t);
  t.after(r.close);
  r.see(offered("ipxe"));
  r.see({ kind: "up" });
  r.see(offered("ipxe"), "52:54:00:00:01:01" as Mac);
  assert.equal(r.tracker.stateOf(r.node()).phase, "offered");
  assert.equal(r.tracker.lastBootOf(r.node())?.id, 2);
  assert.equal(r.tracker.subjectOf(r.node())?.mac, "52:54:00:00:01:01");
});

test("a machine that is known as a node by something else than its port is that node all along", async (t) => {
  const r = await rack(t);
  t.after(r.close);
  const nodeId = r.node().id;
  r.see({ ...offered("firmware"), nodeId }, stranger);
  r.see({ kind: "script", bytes: 1, known: true, nodeId }, stranger);
  assert.equal(r.tracker.stateOf(r.node()).phase, "script");
  assert.deepEqual(r.tracker.discovered(), []);
  assert.deepEqual(r.tracker.subjectOf(r.node()), { mac: stranger, nodeId });
  r.tracker.heartbeat(r.node(), report);
  assert.equal(r.tracker.stateOf(r.node()).phase, "up");
  assert.equal(r.tracker.lastBootOf(r.node())?.mac, stranger);
  await r.inventory.addNodes({ range: "n2", macs: [stranger], ip: "10.0.1.12" });
  assert.deepEqual(r.tracker.subjectOf(r.node()), { mac, nodeId }, "the port is another node's by now");
});

test("silent for the limit is lost, and heard again is up; within the limit nothing is said", async (t) => {
  const r = await rack(t);
  t.after(r.close);
  r.see(offered("ipxe"));
  r.tracker.heartbeat(r.node(), report);
  assert.equal(r.tracker.stateOf(r.node()).phase, "up");
  r.clock.now += lostAfterMs - 1;
  r.tracker.lookForSilence();
  assert.equal(r.tracker.stateOf(r.node()).phase, "up");
  r.clock.now += 1;
  r.tracker.lookForSilence();
  assert.equal(r.tracker.stateOf(r.node()).phase, "lost");
  r.tracker.heartbeat(r.node(), report);
  assert.equal(r.tracker.stateOf(r.node()).phase, "up");
  assert.ok(lostAfterMs + 500 < 10_000, "lost within ten seconds, the interval of looking included");
});

test("a node that said it stops is down, not lost", async (t) => {
  const r = await rack(t);
  t.after(r.close);
  r.see(offered("ipxe"));
  r.tracker.heartbeat(r.node(), report);
  r.see({ kind: "stopping" });
  r.clock.now += 60_000;
  r.tracker.lookForSilence();
  assert.equal(r.tracker.stateOf(r.node()).phase, "down");
});

test("phases, boots, hardware and strangers outlive the head; a node that was up gets the full time to be heard", async (t) => {
  const r = await rack(t);
  r.see(offered("ipxe"));
  r.see({ kind: "script", bytes: 3, known: true });
  const hardware = {
    cpu: { model: "x", sockets: 1, cores: 1, threads: 1, mhz: 1 },
    memoryBytes: 5,
    nics: [],
    disks: [],
    kernel: "6",
    firmware: "bios" as const,
  };
  r.tracker.heartbeat(r.node(), { ...report, hardware });
  r.see({ ...offered("firmware"), vendorClass: "PXEClient" }, stranger);
  await r.close();

  const again = await rack(t, r.state);
  t.after(again.close);
  again.clock.now = r.clock.now + 3_600_000;
  await again.tracker.load();
  assert.equal(again.tracker.stateOf(again.node()).phase, "up");
  const { id } = again.node();
  assert.deepEqual((await again.tracker.hardwareOf([id])).get(id), hardware);
  again.tracker.lookForSilence();
  assert.equal(again.tracker.stateOf(again.node()).phase, "up");
  assert.deepEqual(
    again.tracker.discovered().map((machine) => [machine.mac, machine.firmware, machine.vendorClass]),
    [[stranger, "bios", "PXEClient"]],
  );
  const boot = again.tracker.lastBootOf(again.node());
  const events = await again.store.eventsOfBoot(boot?.id ?? 0);
  assert.deepEqual(
    events.map(({ event }) => event.kind),
    ["offered", "script", "up"],
  );
  assert.ok(again.tracker.lastBootOf(stranger) !== undefined);
});

test("a stranger that only renews an address is no machine that asks for a boot", async (t) => {
  const r = await rack(t);
  t.after(r.close);
  r.see(offered("system"), stranger);
  assert.deepEqual(r.tracker.discovered(), []);
  r.see(offered("ipxe"), stranger);
  assert.equal(r.tracker.discovered().length, 1);
  await r.inventory.addNodes({ range: "n2", macs: [stranger] });
  assert.deepEqual(r.tracker.discovered(), []);
});

test("what cannot be written is kept and written later, in order", async (t) => {
  const r = await rack(t);
  t.after(r.close);
  let full = true;
  const written: number[] = [];
  const store: TrackerStore = {
    load: () => r.store.load(),
    hardwareOf: () => Promise.resolve(new Map()),
    save: (batch) => {
      if (full) return Promise.reject(new Error("disk full"));
      written.push(...batch.events.map((event) => event.sequence));
      return Promise.resolve();
    },
  };
  const tracker = new Tracker({ directory: r.directory, store, clock: r.clock, log: silentLog });
  for (const kind of ["offered", "script"])
    tracker.record({ ...offered("ipxe"), bytes: 1, known: true, kind, mac, atMs: 1 } as BootEvent);
  await tracker.flush();
  tracker.record({ kind: "root", mac, atMs: 2 });
  await tracker.flush();
  full = false;
  await tracker.flush();
  assert.deepEqual(written, [1, 2, 3]);
});

test("a subscriber hears every event, and one that throws does not silence the others", async (t) => {
  const r = await rack(t);
  t.after(r.close);
  const heard: string[] = [];
  r.tracker.subscribe(() => {
    throw new Error("gone");
  });
  const leave = r.tracker.subscribe(({ event }) => heard.push(event.kind));
  r.see(offered("ipxe"));
  r.see({ kind: "script", bytes: 1, known: true });
  leave();
  r.see({ kind: "root" });
  assert.deepEqual(heard, ["offered", "script"]);
});

test("old boots are forgotten with their events, the newest of each machine stay", async (t) => {
  const r = await rack(t, temporaryDirectory(t), 2);
  t.after(r.close);
  for (let boot = 0; boot < 5; boot += 1) {
    r.see(offered("ipxe"));
    r.see({ kind: "up" });
  }
  r.see(offered("ipxe"), stranger);
  await r.tracker.flush();
  assert.deepEqual(
    (await r.store.newestEvents(100)).map((event) => event.bootId),
    [4, 4, 5, 5, 6],
  );
});
