import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeardOrder } from "../../../server/tracker/heard-order.ts";

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("hear"), node: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget"), node: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.integer({ min: 0, max: 50 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("set-back"), ms: fc.integer({ min: 1, max: 80 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("look"), ms: fc.integer({ min: 0, max: 100 }) }) },
);

test("whatever is heard and forgotten, and however the clock jumps, the silent are those that a walk finds", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const order = new HeardOrder();
      const naive = new Map<number, number>();
      let nowMs = 1000;
      for (const each of steps) {
        if ("node" in each && each.kind === "hear") {
          order.hear(each.node, nowMs);
          naive.set(each.node, nowMs);
        } else if ("node" in each) {
          order.forget(each.node);
          naive.delete(each.node);
        } else if (each.kind === "look") {
          const silent = order.silentSince(nowMs - each.ms);
          const expected = [...naive].filter(([, heardMs]) => heardMs <= nowMs - each.ms);
          assert.deepEqual(
            silent.toSorted((a, b) => a - b),
            expected.map(([node]) => node).toSorted((a, b) => a - b),
          );
        } else nowMs += each.kind === "pass" ? each.ms : -each.ms;
      }
    }),
    { numRuns: 500 },
  );
});

test("the longest silent come first", () => {
  const order = new HeardOrder();
  for (const node of [3, 1, 2]) order.hear(node, node * 10);
  order.hear(3, 40);
  assert.deepEqual(order.silentSince(100), [1, 2, 3]);
});
