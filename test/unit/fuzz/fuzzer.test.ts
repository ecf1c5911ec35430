import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fuzz, type FuzzTarget, inputName } from "../../fuzz/fuzzer.ts";
import { mutate, seededRandom } from "../../fuzz/mutate.ts";
import { guarded } from "./guarded.ts";

const target = (run: FuzzTarget["run"]): FuzzTarget => ({
  name: "planted",
  run,
  seeds: [Uint8Array.of(0, 0, 0, 0)],
  words: [],
  longest: 64,
  rooms: ["/test/unit/fuzz/guarded"],
});

const atMost = (executions: number) => (progress: { executions: number }) => progress.executions < executions;

// Once in this file: V8 counts blocks only of functions that it compiles after the first start of its coverage.
test("finds a defect behind four bytes that must be right one after another, and keeps what led there", async () => {
  const found: Uint8Array[] = [];
  const report = await fuzz(target(guarded), {
    seed: 7,
    corpus: [],
    goesOn: atMost(400_000),
    onFound: (bytes) => found.push(bytes),
  });
  assert.match(String(report.defect?.error), /planted/);
  assert.deepEqual([...(report.defect?.bytes ?? [])].slice(0, 4), [0x50, 0x58, 0x45, 0x21]);
  assert.ok(found.some((bytes) => bytes[0] === 0x50 && bytes[1] === 0x58 && bytes[2] === 0x45));
});

test("the same seed makes the same inputs", async () => {
  const runs = [1, 1, 2].map(async (seed) => {
    const inputs: string[] = [];
    const onInput = (bytes: Uint8Array): number => inputs.push(inputName(bytes));
    await fuzz(
      target(() => undefined),
      { seed, corpus: [], goesOn: atMost(1000), onInput },
    );
    return inputs.join();
  });
  const [first, second, third] = await Promise.all(runs);
  assert.equal(first, second);
  assert.notEqual(first, third);
});

test("a mutation leaves its input alone and stays within the longest", () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  fc.assert(
    fc.property(bytes, fc.array(bytes), fc.nat(), (input, corpus, seed) => {
      const before = input.slice();
      const changed = mutate(input, seededRandom(seed), {
        corpus,
        words: [Uint8Array.of(1, 2, 3)],
        longest: 120,
      });
      assert.deepEqual(input, before);
      assert.ok(changed.length <= 120);
    }),
  );
});
