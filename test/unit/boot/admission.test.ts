import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Admission, type AdmissionLimits } from "../../../server/boot/admission.ts";

const limits: AdmissionLimits = {
  machines: 2,
  progressMs: 60_000,
  turnMs: 600_000,
  placeMs: 30_000,
  scripts: 3,
};

const goes = { kind: "go" };
const waits = (before: number, joined = false) => ({ kind: "wait", before, joined });

test("so many at a time, the others in the order of their first asking", () => {
  const desk = new Admission(limits);
  assert.deepEqual(desk.ask(1, 0), goes);
  assert.deepEqual(desk.ask(2, 0), goes);
  assert.deepEqual(desk.ask(3, 0), waits(0, true));
  assert.deepEqual(desk.ask(4, 0), waits(1, true));
  assert.deepEqual(desk.counts(0), { loading: 2, waiting: 2 });
  desk.done(1);
  assert.deepEqual(desk.ask(5, 1000), waits(2, true), "a turn that is free belongs to the first in line");
  assert.deepEqual(desk.ask(4, 1000), waits(1));
  assert.deepEqual(desk.ask(3, 1000), goes);
  assert.equal(desk.placeOf(4, 2000), 0);
  assert.equal(desk.placeOf(3, 2000), undefined);
});

test("a machine that stops asking loses its place, and the next does not wait for it any longer", () => {
  const desk = new Admission(limits);
  for (const machine of [1, 2, 3, 4]) desk.ask(machine, 0);
  desk.done(1);
  assert.deepEqual(desk.ask(4, 20_000), waits(1), "3 may still come");
  assert.deepEqual(desk.ask(4, 30_001), goes);
  assert.deepEqual(desk.ask(3, 30_002), waits(0, true), "and is at the end when it does");
});

test("a machine that was switched off in the middle frees its turn; one that takes files keeps it", () => {
  const desk = new Admission(limits);
  desk.ask(1, 0);
  desk.ask(2, 0);
  for (let at = 0; at <= 60_000; at += 10_000) {
    desk.progress(2, at);
    desk.ask(3, at);
  }
  assert.deepEqual(desk.ask(3, 61_000), goes);
  assert.deepEqual(desk.ask(4, 61_000), waits(0, true), "2 still loads");
});

test("a turn does not last for ever, however much is taken", () => {
  const desk = new Admission({ ...limits, machines: 1 });
  desk.ask(1, 0);
  for (let at = 0; at <= 600_000; at += 10_000) {
    desk.progress(1, at);
    assert.equal(desk.ask(2, at).kind, "wait");
  }
  assert.deepEqual(desk.ask(2, 601_000), goes);
});

test("a machine that starts over again and again goes to the end while others wait, and only then", () => {
  const desk = new Admission({ ...limits, machines: 1 });
  for (let count = 0; count < 10; count += 1) assert.deepEqual(desk.ask(1, count), goes);
  desk.ask(2, 20);
  assert.deepEqual(desk.ask(1, 30), waits(1, true));
  assert.deepEqual(desk.ask(2, 40), goes);
});

test("a turn goes on while an initrd is under way, though the overlay is there, and a new script begins it anew", () => {
  const desk = new Admission(limits);
  const loading = (): number => desk.counts(0).loading;
  desk.ask(1, 0);
  desk.initrd(1, false);
  desk.done(1);
  assert.equal(loading(), 1);
  desk.initrd(1, true);
  assert.equal(loading(), 0, "it had all else");
  desk.ask(1, 0);
  desk.initrd(1, false);
  desk.initrd(1, true);
  assert.equal(loading(), 1);
  desk.done(1);
  assert.equal(loading(), 0);
  desk.ask(1, 0);
  desk.initrd(1, false);
  desk.ask(1, 0);
  desk.done(1);
  assert.equal(loading(), 0, "what the script before began is of no account");
  desk.initrd(9, true);
  assert.equal(loading(), 0);
});

test("what is not loading or waiting is told nothing and keeps nothing", () => {
  const desk = new Admission(limits);
  desk.progress(9, 0);
  desk.done(9);
  assert.deepEqual(desk.counts(0), { loading: 0, waiting: 0 });
  assert.equal(desk.placeOf(9, 0), undefined);
});

/** Seconds that a machine needs, and what it does: load and be done, die in the middle, start over for ever, stop asking. */
type Life = { arrivesAt: number; loads: number; kind: "good" | "dies" | "loops" | "leaves" };

test("nothing starves, never more than so many at a time: random arrivals, failures and departures", () => {
  const life = fc.record({
    arrivesAt: fc.nat(120),
    loads: fc.integer({ min: 1, max: 50 }),
    kind: fc.constantFrom<Life["kind"]>("good", "good", "good", "dies", "loops", "leaves"),
  });
  fc.assert(
    fc.property(
      fc.array(life, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 5 }),
      (lives, machines) => {
        const desk = new Admission({ ...limits, machines });
        const since = new Map<number, number>();
        const served = new Map<number, number>();
        // Each turn before one's own ends by itself within progressMs; machines that loop come round again.
        const bound = 120 + (lives.length / machines + 2) * 70 * 4;
        for (let second = 0; second <= bound; second += 1) {
          const nowMs = second * 1000;
          for (const [machine, { arrivesAt, loads, kind }] of lives.entries()) {
            if (second < arrivesAt || (served.has(machine) && kind !== "loops")) continue;
            const began = since.get(machine);
            if (began === undefined || kind === "loops") {
              if (kind === "leaves" && second > arrivesAt + 10) continue;
              if ((second - arrivesAt) % 5 !== 0) continue;
              if (desk.ask(machine, nowMs).kind === "go") since.set(machine, second);
              if (since.has(machine) && kind === "loops") served.set(machine, second);
            } else if (kind === "good") {
              desk.progress(machine, nowMs);
              if (second - began >= loads) {
                desk.done(machine);
                served.set(machine, second);
              }
            }
          }
          assert.ok(desk.counts(nowMs).loading <= machines);
          assert.ok(desk.counts(nowMs).waiting <= lives.length);
        }
        for (const [machine, { kind }] of lives.entries())
          if (kind === "good" || kind === "loops")
            assert.ok(served.has(machine), `${kind} ${machine} starved`);
      },
    ),
    { numRuns: 60 },
  );
});
