import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { lostAfterMs } from "../../../agent/contract.ts";
import { refusedBackoff, retryDelayMs, unansweredBackoff } from "../../../agent/retry.ts";

describe("back-off", () => {
  it("doubles up to its most", () => {
    const delays = [1, 2, 3, 4, 5, 100].map((attempt) =>
      retryDelayMs({ firstMs: 500, mostMs: 4000 }, attempt, 1),
    );
    assert.deepEqual(delays, [500, 1000, 2000, 4000, 4000, 4000]);
  });

  it("is spread over the upper half by chance", () => {
    assert.equal(retryDelayMs(unansweredBackoff, 2, 0), 500);
    assert.equal(retryDelayMs(unansweredBackoff, 2, 0.5), 750);
  });

  it("never leaves a node silent long enough to be lost once its head is back", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.float({ min: 0, max: 1, noNaN: true }),
        (attempt, chance) => {
          assert.ok(retryDelayMs(unansweredBackoff, attempt, chance) < lostAfterMs / 2);
          assert.ok(retryDelayMs(refusedBackoff, attempt, chance) >= refusedBackoff.firstMs / 2);
        },
      ),
    );
  });
});
