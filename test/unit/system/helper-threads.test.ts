import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { constants, getPriority } from "node:os";
import { test } from "node:test";
import { putHelperThreadsLast } from "../../../server/system/helper-threads.ts";

/** Names of this process's threads with their niceness. */
function threads(): { name: string; nice: number }[] {
  return readdirSync("/proc/self/task").map((thread) => ({
    name: readFileSync(`/proc/self/task/${thread}/comm`, "latin1").trim(),
    nice: getPriority(Number(thread)),
  }));
}

test("V8's helpers come after the thread that answers, and nothing else does", () => {
  const before = threads();
  const own = getPriority();
  putHelperThreadsLast();
  const helpers = threads().filter(({ name }) => name.includes("V8Worker"));
  assert.ok(helpers.length > 0, `no helper among ${before.map(({ name }) => name).join(", ")}`);
  for (const { nice } of helpers) assert.equal(nice, constants.priority.PRIORITY_BELOW_NORMAL);
  for (const { name, nice } of threads()) if (!name.includes("V8Worker")) assert.equal(nice, own, name);
});
