import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../../../server/lib/errors.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import { Admission } from "../../../server/tftp/admission.ts";
import { BlockSource } from "../../../server/tftp/block-source.ts";
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

test("the blocks of a file, put together, are the file", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 300_000 }),
      fc.integer({ min: 100, max: 65_464 }),
      fc.integer({ min: 1, max: 64 }),
      fc.boolean(),
      async (sizeBytes, blockBytes, windowBlocks, inMemory) => {
        const bytes = numbered(sizeBytes);
        const file = inMemory ? fileInMemory(bytes) : onDisk(bytes);
        const source = new BlockSource(file, blockBytes, windowBlocks);
        const blocks: Uint8Array[] = [];
        do blocks.push(await source.block(blocks.length + 1));
        while (blocks.at(-1)?.length === blockBytes);
        assert.deepEqual(Buffer.concat(blocks), Buffer.from(bytes));
      },
    ),
    { numRuns: 50 },
  );
});

test("a file is read in large pieces, each once, also when a window is sent again", async () => {
  const file = onDisk(numbered(1024 * 1024));
  const source = new BlockSource(file, 1024, 16);
  for (let block = 1; block <= 1024; block += 16) {
    for (const _time of ["first", "again"]) {
      for (let offset = 0; offset < 16; offset += 1) await source.block(block + offset);
    }
  }
  assert.equal(file.reads, 16);
});

test("what is in memory is given at once", async () => {
  const file = onDisk(numbered(5000));
  const source = new BlockSource(file, 512, 1);
  const first = source.block(1);
  assert.ok(first instanceof Promise);
  await first;
  assert.ok(!(source.block(2) instanceof Promise));
});

test("a read that fails is told, and tried again the next time", async () => {
  let broken = true;
  const file: ServedFile = {
    sizeBytes: 10,
    read: (offset, length) =>
      broken
        ? Promise.reject(new Error("disk trouble"))
        : Promise.resolve(numbered(10).subarray(offset, length)),
    close: () => Promise.resolve(),
  };
  const source = new BlockSource(file, 512, 1);
  await assert.rejects(async () => source.block(1), /disk trouble/);
  broken = false;
  assert.equal((await source.block(1)).length, 10);
});

test("a file that became shorter is never sent as if it were whole", async () => {
  const short = { ...fileInMemory(numbered(100)), sizeBytes: 200 };
  assert.throws(() => new BlockSource(short, 512, 1).block(1), /shorter/);
  const later = { ...onDisk(numbered(100)), sizeBytes: 200 };
  await assert.rejects(async () => new BlockSource(later, 512, 1).block(1), /shorter/);
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
