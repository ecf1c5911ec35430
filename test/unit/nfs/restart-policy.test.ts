import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { deathLimit, decideRestart, failedDelayMs, steadyMs } from "../../../server/nfs/restart-policy.ts";

const quick = (count: number): number[] => Array.from({ length: count }, () => 100);

describe("restart policy", () => {
  it("waits twice as long after each quick death, up to a limit", () => {
    const waits = Array.from({ length: 9 }, (_, index) => decideRestart(quick(index + 1)).afterMs);
    assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  it("gives up after ten quick deaths, and still tries once a minute", () => {
    assert.equal(decideRestart(quick(9)).kind, "retry");
    assert.deepEqual(decideRestart(quick(10)), { kind: "give-up", afterMs: failedDelayMs, deaths: 10 });
    assert.deepEqual(decideRestart(quick(14)), { kind: "give-up", afterMs: failedDelayMs, deaths: 14 });
  });

  it("starts from the beginning after a steady run", () => {
    assert.deepEqual(decideRestart([...quick(9), steadyMs]), { kind: "retry", afterMs: 250, deaths: 1 });
    assert.deepEqual(decideRestart([...quick(12), steadyMs, 100]), {
      kind: "retry",
      afterMs: 500,
      deaths: 2,
    });
  });

  it("never waits for longer than a minute, nor not at all", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 * steadyMs), { minLength: 1, maxLength: 50 }), (history) => {
        const decision = decideRestart(history);
        assert.ok(decision.afterMs >= 250 && decision.afterMs <= failedDelayMs);
        assert.equal(decision.kind === "give-up", decision.deaths >= deathLimit);
      }),
    );
  });
});
