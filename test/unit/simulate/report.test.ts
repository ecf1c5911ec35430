import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { arrivalsMs, randomFrom } from "../../../server/simulate/random.ts";
import { distributionOf, reportOf } from "../../../server/simulate/report.ts";
import type { WalkOutcome } from "../../../server/simulate/spec.ts";

function outcome(name: string, changes: Partial<WalkOutcome> = {}): WalkOutcome {
  return {
    name,
    firmware: "bios",
    phase: "up",
    phaseMs: { address: 10, loader: 20 },
    toldMs: 0,
    totalMs: 100,
    bytes: 1000,
    repeats: 0,
    ...changes,
  };
}

test("percentiles are values that occurred, by nearest rank", () => {
  assert.deepEqual(distributionOf([]), { p50Ms: 0, p99Ms: 0, maxMs: 0 });
  assert.deepEqual(distributionOf([7]), { p50Ms: 7, p99Ms: 7, maxMs: 7 });
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual(distributionOf(hundred), { p50Ms: 50, p99Ms: 99, maxMs: 100 });
});

test("a storm in figures: what each machine cost, and the same fault of many machines as one", () => {
  const lost = (name: string, mac: string): WalkOutcome =>
    outcome(name, {
      phase: "kernel",
      failure: {
        message: `http://10.77.0.1:8080/boot/${mac}/0123456789abcdef/kernel: HTTP status 404`,
        hint: "build it",
      },
    });
  const report = reportOf({
    outcomes: [
      outcome("n1", { toldMs: 5000, totalMs: 6000 }),
      outcome("n2", { firmware: "uefi", repeats: 3 }),
      lost("n3", "52-54-00-00-00-03"),
      lost("n4", "52-54-00-00-00-04"),
    ],
    seed: 1,
    durationMs: 2000,
    walkerCpuMs: 5,
    head: { cpuMs: 30, residentBeforeBytes: 100, residentPeakBytes: 300, onRecord: new Set(["n1"]) },
    notes: [],
  });
  assert.deepEqual([report.up, report.failed, report.repeats, report.bytes], [2, 2, 3, 4000]);
  assert.deepEqual([report.machinesPerSecond, report.bytesPerSecond], [1, 2000]);
  assert.deepEqual(report.firmware, { bios: 3, uefi: 1, http: 0 });
  assert.deepEqual(report.told, { machines: 1, p50Ms: 5000, p99Ms: 5000, maxMs: 5000 });
  assert.deepEqual(
    report.phases.map(({ phase, count, p50Ms }) => [phase, count, p50Ms]),
    [
      ["address", 4, 10],
      ["loader", 4, 20],
    ],
  );
  assert.deepEqual(
    report.failures.map(({ phase, machines, count, hint }) => [phase, machines, count, hint]),
    [["kernel", "n[3-4]", 2, "build it"]],
  );
  assert.deepEqual(
    [
      report.head?.cpuMsPerMachine,
      report.head?.residentBytesPerMachine,
      report.head?.onRecord,
      report.head?.notOnRecord,
    ],
    [15, 100, 1, "n2"],
  );
});

test("a report says when it was the machines' own process that was too slow", () => {
  const notesAt = (walkerCpuMs: number): readonly string[] =>
    reportOf({ outcomes: [outcome("n1")], seed: 1, durationMs: 10_000, walkerCpuMs, notes: ["one"] }).notes;
  assert.deepEqual(notesAt(5000), ["one"]);
  assert.match(notesAt(9000).join(), /one,.*at 90 % of a processor/);
});

test("the same seed gives the same arrivals, and the rate is kept", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.integer({ min: 1, max: 500 }),
      (seed, perSecond) => {
        const arrival = { kind: "poisson", perSecond } as const;
        const times = arrivalsMs(arrival, 2000, randomFrom(seed));
        assert.deepEqual(times, arrivalsMs(arrival, 2000, randomFrom(seed)));
        assert.ok(times.every((time, index) => time >= (times[index - 1] ?? 0)));
        const seconds = (times.at(-1) ?? 0) / 1000;
        assert.ok(Math.abs(seconds * perSecond - 2000) < 400, `${seconds} s at ${perSecond}/s`);
      },
    ),
  );
  assert.deepEqual(arrivalsMs({ kind: "all" }, 2, randomFrom(1)), [0, 0]);
});
