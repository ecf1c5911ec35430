import assert from "node:assert/strict";
import { test } from "node:test";
import { shareOpens } from "../../../server/tftp/shared-open.ts";
import { type ServedFile, fileInMemory } from "../../../server/tftp/served-file.ts";

/** Files that count their openings and closings, and a clock that is moved by hand. */
function scene(content: () => string | undefined = () => "text") {
  let nowMs = 0;
  const counts = { opened: 0, closed: 0 };
  const open = shareOpens(
    async (path): Promise<ServedFile | undefined> => {
      await Promise.resolve();
      counts.opened += 1;
      const text = content();
      if (path === "broken") throw new Error("disk trouble");
      if (text === undefined) return undefined;
      const close = () => {
        counts.closed += 1;
        return Promise.resolve();
      };
      return { ...fileInMemory(Buffer.from(text)), close };
    },
    { nowMs: () => nowMs },
  );
  return { open, counts, pass: (ms: number) => (nowMs += ms) };
}

test("a burst opens a file once; it is closed when its time is over and the last has left", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { open, counts, pass } = scene();
  const files = await Promise.all(Array.from({ length: 50 }, () => open("kernel")));
  const late = await open("kernel");
  assert.equal(counts.opened, 1);
  for (const file of files) await file?.close();
  await files[0]?.close(); // twice
  pass(1000);
  t.mock.timers.tick(1000);
  assert.equal(counts.closed, 0);
  assert.equal(Buffer.from((await late?.read(0, 4)) ?? []).toString(), "text");
  await late?.close();
  assert.equal(counts.closed, 1);
});

test("what nobody asks for again is closed by itself", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { open, counts, pass } = scene();
  await (await open("kernel"))?.close();
  assert.equal(counts.closed, 0);
  await (await open("kernel"))?.close();
  assert.equal(counts.opened, 1);
  pass(1000);
  t.mock.timers.tick(1000);
  assert.equal(counts.closed, 1);
});

test("a moment later the file is opened anew, as it may be another", async () => {
  let text = "old";
  const { open, counts, pass } = scene(() => text);
  const before = await open("kernel");
  text = "new";
  pass(201);
  const after = await open("kernel");
  assert.deepEqual(
    [
      Buffer.from(before?.read(0, 3) as Uint8Array).toString(),
      Buffer.from(after?.read(0, 3) as Uint8Array).toString(),
    ],
    ["old", "new"],
  );
  await before?.close();
  await after?.close();
  assert.equal(counts.opened, 2);
});

test("neither a missing file nor a fault is remembered", async () => {
  const disk: { text?: string } = {};
  const { open } = scene(() => disk.text);
  assert.deepEqual(await Promise.all([open("kernel"), open("kernel")]), [undefined, undefined]);
  disk.text = "there";
  assert.equal((await open("kernel"))?.sizeBytes, 5);
  await assert.rejects(open("broken"), /disk trouble/);
  await assert.rejects(open("broken"), /disk trouble/);
});
