import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readCorpus, runFuzz } from "./run.ts";
import { fuzzTargets } from "./targets.ts";

/** A run of an hour is made by hand; this one shows that the corpus passes, and looks around for a moment. */
const seconds = 4;

for (const target of fuzzTargets) {
  const corpusDirectory = join(import.meta.dirname, "corpus", target.name);

  test(`${target.name}: its corpus and ${seconds} s of mutations of it`, async () => {
    assert.ok(readCorpus(corpusDirectory).length > 0, "its corpus is kept");
    const seed = Date.now() % 2 ** 31;
    const { fault, executions } = await runFuzz({
      target: target.name,
      seconds,
      seed,
      corpusDirectory,
      keeps: false,
    });
    assert.equal(
      fault,
      undefined,
      `seed ${seed}: ${fault?.kind} ${fault?.text} ${Buffer.from(fault?.bytes ?? []).toString("hex")}`,
    );
    assert.ok(executions > 1000);
  });
}
