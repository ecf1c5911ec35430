import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../../../server/lib/errors.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import { Admission } from "../../../server/tftp/admission.ts";
import { BlockSource } from "../../../server/tftp/block-source.ts";
import { ChunkCache, chunkStepBytes } from "../../../server/tftp/chunk-cache.ts";
import { toNetascii } from "../../../server/tftp/netascii.ts";
import type { ReadRequest } from "../../../server/tftp/packet.ts";
import { openRequested } from "../../../server/tftp/requested-file.ts";
import { type OpenFile, type ServedFile, fileInMemory } from "../../../server/tftp/served-file.ts";

const peer = "10.77.0.9" as Ipv4;

function numbered(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}

/** A file on a disk that answers later, and counts what it is asked. */
function onDisk(bytes: Uint8Array): ServedFile & { reads: number; closed: number } {
  const file = {
    sizeBytes: bytes.length,
    reads: 0,
    closed: 0,
    read: async (offset: number, length: number) => {
      file.reads += 1;
      await Promise.resolve();
      return bytes.subarray(offset, offset + length);
    },
    close: () => {
      file.closed += 1;
      return Promise.resolve();
    },
  };
  return file;
}

function cacheOf(limitBytes = 0, blockBytes = 65_464): ChunkCache {
  return new ChunkCache({ limitBytes, blockBytes });
}

/** A copy of one block, and whether it was in memory. */
async function blockOf(source: BlockSource, block: number): Promise<{ bytes: Buffer; atOnce: boolean }> {
  const chunk = source.chunkOf(block);
  const { bytes } = await chunk;
  const from = source.offsetOf(block);
  return {
    bytes: Buffer.from(bytes.subarray(from, from + source.lengthOf(block))),
    atOnce: !(chunk instanceof Promise),
  };
}

test("the blocks of a file, put together, are the file", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 300_000 }),
      fc.integer({ min: 100, max: 65_464 }),
      fc.boolean(),
      async (sizeBytes, blockBytes, inMemory) => {
        const bytes = numbered(sizeBytes);
        const file = inMemory ? fileInMemory(bytes) : onDisk(bytes);
        const source = new BlockSource(file, blockBytes, cacheOf());
        const blocks: Buffer[] = [];
        do blocks.push((await blockOf(source, blocks.length + 1)).bytes);
        while (blocks.at(-1)?.length === blockBytes);
        assert.ok(Buffer.concat(blocks).equals(bytes));
      },
    ),
    { numRuns: 50 },
  );
});

test("a file is read in large pieces, each once, also when a window is sent again", async () => {
  const file = onDisk(numbered(1024 * 1024));
  const source = new BlockSource(file, 1024, cacheOf());
  for (let block = 1; block <= 1024; block += 16) {
    for (const _time of ["first", "again"]) {
      for (let offset = 0; offset < 16; offset += 1) await blockOf(source, block + offset);
    }
  }
  assert.equal(file.reads, (1024 * 1024) / chunkStepBytes);
});

test("what is in memory is given at once", async () => {
  const source = new BlockSource(onDisk(numbered(5000)), 512, cacheOf());
  assert.equal((await blockOf(source, 1)).atOnce, false);
  assert.equal((await blockOf(source, 2)).atOnce, true);
});

test("a read that fails is told, and tried again the next time", async () => {
  let broken = true;
  const file: ServedFile = {
    sizeBytes: 10,
    identity: "one",
    read: (offset, length) =>
      broken
        ? Promise.reject(new Error("disk trouble"))
        : Promise.resolve(numbered(10).subarray(offset, length)),
    close: () => Promise.resolve(),
  };
  const cache = cacheOf(1_000_000);
  const source = new BlockSource(file, 512, cache);
  await assert.rejects(async () => source.chunkOf(1), /disk trouble/);
  assert.equal(cache.keptBytes, 0);
  broken = false;
  assert.equal((await blockOf(source, 1)).bytes.length, 10);
});

test("a file that became shorter is never sent as if it were whole", async () => {
  const short = { ...fileInMemory(numbered(100)), sizeBytes: 200 };
  assert.throws(() => new BlockSource(short, 512, cacheOf()).chunkOf(1), /shorter/);
  const later = { ...onDisk(numbered(100)), sizeBytes: 200 };
  await assert.rejects(async () => new BlockSource(later, 512, cacheOf()).chunkOf(1), /shorter/);
});

test("many clients of one file cost one read of it, whatever their block size", async () => {
  const bytes = numbered(300_000);
  const files = Array.from({ length: 20 }, () => Object.assign(onDisk(bytes), { identity: "kernel" }));
  const cache = cacheOf(1_000_000, 1468);
  const fetchAll = async (file: ServedFile, blockBytes: number) => {
    const source = new BlockSource(file, blockBytes, cache);
    const blocks: Buffer[] = [];
    do blocks.push((await blockOf(source, blocks.length + 1)).bytes);
    while (blocks.at(-1)?.length === blockBytes);
    assert.ok(Buffer.concat(blocks).equals(bytes));
  };
  await Promise.all(files.map((file, index) => fetchAll(file, 1468 - index * 7)));
  const reads = files.reduce((sum, file) => sum + file.reads, 0);
  assert.equal(reads, Math.ceil(bytes.length / chunkStepBytes));
  assert.equal(cache.misses, reads);
});

test("a file that was replaced is never mixed with the one before", async () => {
  const cache = cacheOf(1_000_000, 512);
  const old = Object.assign(onDisk(Buffer.alloc(200_000, "o")), { identity: "1" });
  const replaced = Object.assign(onDisk(Buffer.alloc(200_000, "n")), { identity: "2" });
  const first = new BlockSource(old, 512, cache);
  const second = new BlockSource(replaced, 512, cache);
  for (let block = 1; block <= 390; block += 1) {
    assert.equal((await blockOf(first, block)).bytes[0], 111);
    assert.equal((await blockOf(second, block)).bytes[0], 110);
  }
});

test("what is kept is bounded: what was used longest ago goes first", async () => {
  const cache = cacheOf(3 * chunkStepBytes, 0);
  const file = Object.assign(onDisk(numbered(5 * chunkStepBytes)), { identity: "big" });
  for (const index of [0, 1, 2, 0, 3]) await cache.chunk(file, index);
  assert.equal(cache.keptBytes, 3 * chunkStepBytes);
  assert.equal(file.reads, 4);
  await cache.chunk(file, 0);
  assert.equal(file.reads, 4);
  await cache.chunk(file, 1); // went when 3 came
  assert.equal(file.reads, 5);
});

test("one client's broken file is not another's", async () => {
  const cache = cacheOf(1_000_000, 512);
  const good = Object.assign(onDisk(numbered(1000)), { identity: "same" });
  const closed: ServedFile = { ...good, read: () => Promise.reject(new Error("file closed")) };
  const reads = await Promise.allSettled([cache.chunk(closed, 0), cache.chunk(good, 0)]);
  assert.deepEqual(
    reads.map((read) => read.status),
    ["rejected", "fulfilled"],
  );
});

test("netascii: LF becomes CR LF, and a CR is followed by a zero byte", () => {
  assert.equal(Buffer.from(toNetascii(Buffer.from("a\nb\rc\r\n"))).toString(), "a\r\nb\r\0c\r\0\r\n");
  assert.equal(toNetascii(new Uint8Array(0)).length, 0);
});

function request(mode: string): ReadRequest {
  return { kind: "rrq", path: "some/file", mode, options: [] };
}

function opens(file: ServedFile | undefined): OpenFile {
  return () => Promise.resolve(file);
}

function fails(fault: Error): OpenFile {
  return async () => {
    await Promise.resolve();
    throw fault;
  };
}

test("a request's mode decides the form of the file", async () => {
  const file = onDisk(Buffer.from("one\ntwo\n"));
  const octet = await openRequested(request("OCTET"), peer, opens(file));
  assert.ok(octet.kind === "opened" && octet.file === file);
  const netascii = await openRequested(request("netascii"), peer, opens(file));
  assert.ok(netascii.kind === "opened");
  assert.equal(netascii.file.sizeBytes, 10);
  assert.equal(file.closed, 1);
});

test("a request is refused with the code that fits", async () => {
  const cases = [
    [await openRequested(request("octet"), peer, opens(undefined)), 1, false],
    [await openRequested(request("octet"), peer, fails(new AppError("not-found", "gone"))), 1, false],
    [await openRequested(request("octet"), peer, fails(new AppError("forbidden", "up"))), 2, false],
    [await openRequested(request("octet"), peer, fails(new AppError("invalid", "template"))), 0, true],
    [await openRequested(request("octet"), peer, fails(new Error("disk"))), 0, true],
    [await openRequested(request("mail"), peer, opens(fileInMemory(numbered(1)))), 4, false],
  ] as const;
  for (const [answer, code, defect] of cases) {
    assert.ok(answer.kind === "refused");
    assert.deepEqual([answer.code, answer.defect], [code, defect], answer.message);
  }
  const busy = await openRequested(request("octet"), peer, fails(new AppError("unavailable", "starting")));
  assert.equal(busy.kind, "later");
});

test("a large file is not turned into netascii, and is closed", async () => {
  const file = { ...onDisk(new Uint8Array(0)), sizeBytes: 2 * 1024 * 1024 };
  let closed = 0;
  file.close = () => {
    closed += 1;
    return Promise.resolve();
  };
  const answer = await openRequested(request("netascii"), peer, opens(file));
  assert.ok(answer.kind === "refused");
  assert.match(answer.message, /octet/);
  assert.equal(closed, 1);
});

test("admission counts in all and by client, and forgets a client that left", () => {
  const admission = new Admission({ transfers: 3, transfersPerClient: 2 });
  const other = "10.77.0.10" as Ipv4;
  assert.deepEqual(
    [admission.enter(peer), admission.enter(peer), admission.enter(peer)],
    [true, true, false],
  );
  assert.deepEqual([admission.enter(other), admission.enter(other)], [true, false]);
  admission.leave(peer);
  assert.equal(admission.enter(other), true);
  assert.equal(admission.total, 3);
});
