import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lostAfterMs } from "../../../agent/contract.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import { silentLog } from "../../../server/lib/log.ts";
import { LiveDirectory } from "../../../server/inventory/live-directory.ts";
import type { BootEvent } from "../../../server/model/boot-event.ts";
import type { ClusterNode } from "../../../server/model/node.ts";
import type { Phase } from "../../../server/model/phase.ts";
import { Tracker, type TrackerStore } from "../../../server/tracker/tracker.ts";

const load = {
  uptimeSeconds: 5,
  load: { average: [0, 0, 0] as [number, number, number], runnable: 1, memoryAvailableBytes: 1, cpuBusy: 0 },
};

const nothing: TrackerStore = {
  load: () => Promise.resolve({ states: [], discovered: [], lastBootId: 0, lastSequence: 0 }),
  save: () => Promise.resolve(),
  hardwareOf: () => Promise.resolve(new Map()),
};

function node(id: number): ClusterNode {
  return {
    id,
    name: `n${id}`,
    macs: [`52:54:00:00:00:0${id}` as Mac],
    ip: `10.0.1.${id}` as never,
    groups: [],
    kernelArguments: [],
    machineId: "",
    sshPublicKey: "",
    addedAtMs: 0,
  };
}

const nodes = [1, 2, 3, 4].map(node);
const which = fc.integer({ min: 0, max: 3 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("heartbeat" as const), which) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("stopping" as const), which) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("offered" as const), which) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("removed" as const), which) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("pass" as const), fc.integer({ min: 0, max: 6000 })) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("set-back" as const), fc.integer({ min: 1, max: 20_000 })) },
);

test("the lost are those that a walk over every node finds, whatever they do and however the clock jumps", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const clock = { now: 1_000_000, nowMs: () => clock.now };
      const directory = new LiveDirectory();
      directory.apply(nodes);
      const tracker = new Tracker({ directory, store: nothing, clock, log: silentLog });
      const naive = new Map<number, { phase: Phase; heardMs: number }>(
        nodes.map(({ id }) => [id, { phase: "new", heardMs: 0 }]),
      );
      for (const [kind, value] of steps) {
        const subject = nodes[value];
        const model = subject === undefined ? undefined : naive.get(subject.id);
        if (kind === "pass") clock.now += value;
        else if (kind === "set-back") clock.now -= value;
        else if (subject !== undefined && model !== undefined && kind === "heartbeat") {
          tracker.heartbeat(subject, load);
          if (model.phase !== "down") model.phase = "up";
          model.heardMs = clock.now;
        } else if (subject !== undefined && model !== undefined && kind === "removed") {
          directory.apply([], [subject.id]);
          naive.delete(subject.id);
        } else if (subject !== undefined && model !== undefined) {
          const event = kind === "stopping" ? { kind } : { kind, client: "ipxe", firmware: "bios" };
          tracker.record({ mac: subject.macs[0], atMs: clock.now, ...event } as BootEvent);
          model.phase = kind === "stopping" ? "down" : "offered";
        }
        tracker.lookForSilence();
        for (const each of naive.values()) {
          if (each.phase === "up" && clock.now - each.heardMs >= lostAfterMs) each.phase = "lost";
        }
        for (const [id, { phase }] of naive)
          assert.equal(tracker.stateOf(nodes[id - 1] as ClusterNode).phase, phase, `n${id} after ${kind}`);
      }
    }),
    { numRuns: 300 },
  );
});

test("a whole rack that falls silent is declared lost in turns, all of it", () => {
  const clock = { now: 1_000_000, nowMs: () => clock.now };
  const directory = new LiveDirectory();
  const rack = Array.from({ length: 2500 }, (_, index) => ({
    ...node(index + 1),
    macs: [
      `52:54:00:00:${(index >> 8).toString(16).padStart(2, "0")}:${(index & 255).toString(16).padStart(2, "0")}` as Mac,
    ],
  }));
  directory.apply(rack);
  const tracker = new Tracker({ directory, store: nothing, clock, log: silentLog });
  for (const each of rack) tracker.heartbeat(each, load);
  clock.now += lostAfterMs;
  let turns = 1;
  while (tracker.lookForSilence()) turns += 1;
  assert.ok(turns > 1);
  assert.ok(rack.every((each) => tracker.stateOf(each).phase === "lost"));
});

test("a node that has booted again is not lost by the silence before: it was heard when it came up", () => {
  const clock = { now: 1_000_000, nowMs: () => clock.now };
  const directory = new LiveDirectory();
  directory.apply(nodes);
  const tracker = new Tracker({ directory, store: nothing, clock, log: silentLog });
  const subject = nodes[0] ?? assert.fail();
  const see = (event: object): void =>
    tracker.record({ mac: subject.macs[0], atMs: clock.now, ...event } as BootEvent);
  tracker.heartbeat(subject, load);
  clock.now += 1000;
  see({ kind: "offered", client: "ipxe", firmware: "bios" });
  clock.now += 120_000;
  see({ kind: "up" });
  tracker.lookForSilence();
  assert.equal(tracker.stateOf(subject).phase, "up");
});
