import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { type Sleeper, TimerWheel } from "../../../server/tftp/timer-wheel.ts";

const turnMs = 5;

function wheelOf(t: TestContext) {
  t.mock.timers.reset();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let nowMs = 1000.5;
  const wheel = new TimerWheel({ nowMs: () => nowMs }, turnMs);
  return {
    wheel,
    nowMs: () => nowMs,
    pass: (ms: number) => {
      for (let step = 0; step < ms; step += 1) {
        nowMs += 1;
        t.mock.timers.tick(1);
      }
    },
    /** The process was stopped, or the machine slept. */
    jump: (ms: number) => {
      nowMs += ms;
      t.mock.timers.tick(ms);
    },
    sleeper: (): Sleeper & { wokenAtMs: number[] } => {
      const wokenAtMs: number[] = [];
      return { wheelTurn: undefined, wokenAtMs, wake: (atMs) => wokenAtMs.push(atMs) };
    },
  };
}

test("wakes each at its time, never early, a turn late at most", (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 1, maxLength: 40 }), (waits) => {
      const { wheel, nowMs, pass, sleeper } = wheelOf(t);
      const startMs = nowMs();
      const sleepers = waits.map((waitMs) => {
        const each = sleeper();
        wheel.wakeAt(each, startMs + waitMs);
        return each;
      });
      pass(4020);
      for (const [index, { wokenAtMs }] of sleepers.entries()) {
        const late = (wokenAtMs[0] ?? Number.NaN) - startMs - (waits[index] ?? 0);
        assert.equal(wokenAtMs.length, 1);
        assert.ok(late >= 0 && late <= 2 * turnMs + 1, `${late} ms late for ${waits[index]}`);
      }
      wheel.stop();
    }),
    { numRuns: 20 },
  );
});

test("a later time costs nothing: it is woken at the old one; an earlier one holds", (t) => {
  const { wheel, nowMs, pass, sleeper } = wheelOf(t);
  const startMs = nowMs();
  const putOff = sleeper();
  const hurried = sleeper();
  wheel.wakeAt(putOff, startMs + 100);
  wheel.wakeAt(putOff, startMs + 500);
  wheel.wakeAt(hurried, startMs + 500);
  wheel.wakeAt(hurried, startMs + 100);
  pass(120);
  assert.deepEqual([putOff.wokenAtMs.length, hurried.wokenAtMs.length], [1, 1]);
  pass(1000);
  assert.deepEqual([putOff.wokenAtMs.length, hurried.wokenAtMs.length], [1, 1]);
});

test("a time beyond the wheel comes by early, and not late after a long halt", (t) => {
  const { wheel, nowMs, pass, jump, sleeper } = wheelOf(t);
  const far = sleeper();
  wheel.wakeAt(far, nowMs() + 60_000);
  pass(5120);
  assert.equal(far.wokenAtMs.length, 1);
  const near = sleeper();
  wheel.wakeAt(near, nowMs() + 50);
  wheel.wakeAt(far, nowMs() + 5000);
  jump(100_000);
  assert.deepEqual([near.wokenAtMs.length, far.wokenAtMs.length], [1, 2]);
});

test("one that is woken may go to sleep again, and nobody is woken after the end", (t) => {
  const { wheel, pass, nowMs } = wheelOf(t);
  let woken = 0;
  const often: Sleeper = {
    wheelTurn: undefined,
    wake: (atMs) => {
      woken += 1;
      wheel.wakeAt(often, atMs + 10);
    },
  };
  wheel.wakeAt(often, nowMs() + 10);
  pass(200);
  assert.ok(woken >= 12 && woken <= 20, `${woken}`);
  const before = woken;
  wheel.stop();
  pass(200);
  assert.equal(woken, before);
});
