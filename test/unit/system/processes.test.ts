import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  endProcesses,
  findProgram,
  identify,
  isRunning,
  lastLines,
  parseProcessStat,
  run,
  signalProcess,
  startDetached,
  waitForEnd,
} from "../../../server/system/processes.ts";
import { AppError } from "../../../server/lib/errors.ts";

const directory = mkdtempSync(join(tmpdir(), "provision-lab-processes-"));
after(() => rmSync(directory, { recursive: true }));

test("a command's name with blanks and brackets does not shift the fields of /proc/PID/stat", () => {
  const rest = `S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 77 20`;
  for (const name of ["sleep", "a b", "x) S 1 (y", ")"]) {
    assert.deepEqual(parseProcessStat(`4711 (${name}) ${rest}\n`), { state: "S", startTicks: 77 });
  }
  assert.equal(parseProcessStat(""), undefined);
  assert.equal(parseProcessStat("4711 (sleep) S 1"), undefined);
});

test("a process is known by its start too, so that no other with its number is signalled", async () => {
  const started = await startDetached(["sleep", "60"], join(directory, "sleep.log"));
  const other = { ...started, startTicks: started.startTicks + 1 };
  assert.ok(isRunning(started));
  assert.equal(isRunning(other), false);
  assert.equal(signalProcess(other, "SIGKILL"), false);
  assert.ok(isRunning(started), "it was not signalled");
  await endProcesses([started, other], 5000);
  assert.equal(isRunning(started), false);
  assert.equal(identify(started.pid), undefined);
});

test("a process that does not heed SIGTERM is killed, and its output is in the file", async () => {
  const log = join(directory, "stubborn.log");
  const script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
  const stubborn = await startDetached(["sh", "-c", script], log);
  while (lastLines(log, 1) !== "ready") await new Promise((resolve) => setImmediate(resolve));
  signalProcess(stubborn, "SIGTERM");
  assert.equal((await waitForEnd([stubborn], 100)).length, 1);
  await endProcesses([stubborn], 50);
  assert.equal(isRunning(stubborn), false);
  assert.equal(readFileSync(log, "utf8"), "ready\n");
});

test("a program that is not there, or fails, is an error with what it said", async () => {
  await assert.rejects(startDetached(["/nonexistent/program"], join(directory, "none.log")), AppError);
  await assert.rejects(
    run(["sh", "-c", "echo no such device >&2; exit 3"]),
    (error) => error instanceof AppError && /no such device/.test(error.message),
  );
  assert.equal(await run(["echo", "yes"]), "yes");
});

test("programs are found in the path and where administration programs lie", () => {
  assert.match(findProgram("sh", "/nowhere:/bin:/usr/bin") ?? "", /\/sh$/);
  assert.equal(findProgram("surely-no-such-program", "/bin:/usr/bin"), undefined);
  assert.equal(lastLines("/nonexistent", 3), "");
});
