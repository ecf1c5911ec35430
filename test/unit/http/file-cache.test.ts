import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FileCache } from "../../../server/http/file-cache.ts";
import type { OpenFile } from "../../../server/http/open-file.ts";
import { AppError } from "../../../server/lib/errors.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** A cache with a clock of its own, a day ahead of the files unless told otherwise: none of them is young. */
function scene(t: TestContext, { cacheBytes = 1_000_000, aheadMs = 86_400_000, byKernel = true } = {}) {
  const directory = temporaryDirectory(t);
  const clock = { ms: Date.now() + aheadMs };
  const cache = new FileCache({ cacheBytes, recheckMs: 100, byKernel }, () => clock.ms);
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  return { directory, clock, cache, file };
}

async function textOf(file: OpenFile, from = 0): Promise<string> {
  const pieces: Buffer[] = [];
  for (let at = from; at < file.sizeBytes;) {
    const chunk = await file.take(at, file.sizeBytes - at);
    pieces.push(Buffer.from(chunk.bytes));
    at += chunk.bytes.length;
    chunk.release();
  }
  file.close();
  return Buffer.concat(pieces).toString("latin1");
}

test("a file is read once, however many ask for it at the same time and later", async (t) => {
  const { cache, file } = scene(t);
  const path = file("kernel", "k".repeat(500_000));
  const files = await Promise.all(Array.from({ length: 20 }, () => cache.open(path)));
  for (const text of await Promise.all(files.map((each) => textOf(each)))) assert.equal(text.length, 500_000);
  await textOf(await cache.open(path));
  assert.deepEqual(cache.counters(), { hits: 20, misses: 1, streamed: 0, bytes: 500_000 });
});

test("a file that was replaced is another one, from the next look on; who was sent the old one gets all of it", async (t) => {
  const { cache, clock, file, directory } = scene(t);
  const path = file("loader", "a".repeat(300_000));
  await textOf(await cache.open(path));
  const old = await cache.open(path);
  writeFileSync(join(directory, "new"), "b".repeat(300_000));
  renameSync(join(directory, "new"), path);
  clock.ms += 100;
  const fresh = await cache.open(path);
  assert.notEqual(fresh.etag, old.etag);
  assert.equal(await textOf(fresh), "b".repeat(300_000));
  assert.equal(cache.counters().bytes, 600_000, "both are in memory while both are sent");
  assert.equal(await textOf(old), "a".repeat(300_000));
  assert.equal(cache.counters().bytes, 300_000);
});

test("written over in place, with size and time of modification set back: still another file", async (t) => {
  const { cache, clock, file } = scene(t);
  const path = file("loader", "aaaa");
  const { atime, mtime } = statSync(path);
  assert.equal(await textOf(await cache.open(path)), "aaaa");
  writeFileSync(path, "bbbb");
  utimesSync(path, atime, mtime);
  clock.ms += 100;
  assert.equal(await textOf(await cache.open(path)), "bbbb");
});

test("between two looks a name is not looked up again", async (t) => {
  const { cache, clock, file } = scene(t);
  const path = file("kernel", "kernel");
  await textOf(await cache.open(path));
  unlinkSync(path);
  clock.ms += 99;
  assert.equal(await textOf(await cache.open(path)), "kernel");
  clock.ms += 1;
  await assert.rejects(cache.open(path), { code: "ENOENT" });
  assert.equal(cache.counters().bytes, 0);
});

test("the least recently used makes room; what is being sent stays, and what finds no room is sent from the disk", async (t) => {
  const { cache, file } = scene(t, { cacheBytes: 250 });
  const [a, b, c] = ["a", "b", "c"].map((name) => file(name, name.repeat(100)));
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  await textOf(await cache.open(a));
  await textOf(await cache.open(b));
  await textOf(await cache.open(a));
  await textOf(await cache.open(c));
  await textOf(await cache.open(a));
  assert.deepEqual(cache.counters(), { hits: 2, misses: 3, streamed: 0, bytes: 200 }, "b went, a stayed");
  const [sentA, sentC] = [await cache.open(a), await cache.open(c)];
  assert.equal(await textOf(await cache.open(b)), "b".repeat(100));
  assert.deepEqual(cache.counters().streamed, 1);
  sentA.close();
  sentA.close();
  sentC.close();
  await textOf(await cache.open(b));
  assert.deepEqual(cache.counters().misses, 4);
});

test("larger than the cache: sent from the disk, whole and in parts", async (t) => {
  const { cache, file } = scene(t, { cacheBytes: 1000 });
  const content = Buffer.alloc(700_000, "0123456789");
  const path = file("rootfs", content);
  assert.equal(await textOf(await cache.open(path)), content.toString());
  assert.equal(await textOf(await cache.open(path), 699_990), "0123456789");
  assert.deepEqual(cache.counters(), { hits: 0, misses: 0, streamed: 2, bytes: 0 });
});

for (const [how, given] of [
  ["into memory", { byKernel: false }],
  ["into the kernel's memory", { byKernel: true }],
  ["from the disk", { cacheBytes: 1000 }],
] as const) {
  test(`a file that changes while it is read ${how} is never sent to its end`, async (t) => {
    const { cache, file } = scene(t, given);
    for (const change of [
      (path: string) => appendFileSync(path, "more"),
      (path: string) => truncateSync(path, 10),
      (path: string) => writeFileSync(path, "b".repeat(400_000)),
    ]) {
      const path = file("loader", "a".repeat(400_000));
      const opened = await cache.open(path);
      change(path);
      await assert.rejects(textOf(opened), AppError);
      opened.close();
    }
    // The file is closed before its memory is given up.
    while (cache.counters().bytes > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  test(`a file that is replaced while it is read ${how} is sent as it was`, async (t) => {
    const { cache, file, directory } = scene(t, given);
    const path = file("loader", "a".repeat(400_000));
    const opened = await cache.open(path);
    writeFileSync(join(directory, "new"), "b".repeat(400_000));
    renameSync(join(directory, "new"), path);
    assert.equal(await textOf(opened), "a".repeat(400_000));
  });
}

test("a file that was changed this very moment is not kept: it may change again with the same times", async (t) => {
  const { cache, clock, file } = scene(t, { aheadMs: 0 });
  const path = file("loader", "young");
  assert.equal(await textOf(await cache.open(path)), "young");
  assert.equal(cache.counters().misses, 0);
  clock.ms += 2000;
  assert.equal(await textOf(await cache.open(path)), "young");
  assert.equal(cache.counters().misses, 1);
});

test("what is no regular file is refused at once, and an empty one is empty", async (t) => {
  const { cache, file, directory } = scene(t);
  execFileSync("mkfifo", [join(directory, "fifo")]);
  for (const path of [directory, join(directory, "fifo")])
    await assert.rejects(cache.open(path), /no regular file/);
  assert.equal(await textOf(await cache.open(file("empty", ""))), "");
});
