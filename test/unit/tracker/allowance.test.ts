import assert from "node:assert/strict";
import { test } from "node:test";
import { Allowance } from "../../../server/tracker/allowance.ts";

function taken(allowance: Allowance, times: number, nowMs: number): number {
  return Array.from({ length: times }, () => allowance.take(nowMs)).filter(Boolean).length;
}

test("a burst, then so many a second, never more than the burst", () => {
  const allowance = new Allowance({ burst: 10, perSecond: 2 });
  assert.equal(taken(allowance, 50, 1_000_000), 10);
  assert.equal(taken(allowance, 50, 1_000_400), 0);
  assert.equal(taken(allowance, 50, 1_000_500), 1);
  assert.equal(taken(allowance, 50, 1_002_500), 4);
  assert.equal(taken(allowance, 50, 9_000_000), 10);
});

test("a clock that is set back neither fills nor locks it", () => {
  const allowance = new Allowance({ burst: 3, perSecond: 1 });
  assert.equal(taken(allowance, 9, 1_000_000), 3);
  assert.equal(taken(allowance, 9, 0), 0);
  assert.equal(taken(allowance, 9, 2000), 2);
});
