import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decode, encode } from "../../../server/tftp/codec.ts";
import { type Agreement, negotiate } from "../../../server/tftp/negotiate.ts";
import { goldenPacket } from "./golden-packets.ts";

const limits = { blockBytes: 1468, windowBlocks: 64, windowBytes: 1024 * 1024 };

function agree(
  options: Record<string, string>,
  sizeBytes = 1000,
  over: Partial<typeof limits> = {},
): Agreement {
  const list = Object.entries(options).map(([name, value]) => ({ name, value }));
  return negotiate(list, sizeBytes, { ...limits, ...over });
}

function answer(options: Record<string, string>, sizeBytes = 1000): string {
  return agree(options, sizeBytes)
    .oack.map(({ name, value }) => `${name}=${value}`)
    .join(" ");
}

test("without options nothing is acknowledged and RFC 1350 holds", () => {
  assert.deepEqual(agree({}), { blockBytes: 512, windowBlocks: 1, timeoutMs: undefined, oack: [] });
});

test("real firmware gets what it asks for", () => {
  const cases = [
    ["ipxe-rom-rrq", 108_847, "blksize=1432 tsize=108847"],
    ["edk2-probe-rrq", 284_672, "blksize=1468 tsize=284672 windowsize=4"],
    ["edk2-rrq", 284_672, "blksize=1468 windowsize=4"],
    ["edk2-arm64-probe-rrq", 1_011_712, "blksize=1468 tsize=1011712 windowsize=4"],
  ] as const;
  for (const [name, sizeBytes, expected] of cases) {
    const packet = decode(goldenPacket(name));
    assert.ok(packet.kind === "rrq");
    const { oack } = negotiate(packet.options, sizeBytes, limits);
    assert.equal(oack.map(({ name, value }) => `${name}=${value}`).join(" "), expected);
  }
});

test("iPXE's answer is byte for byte what another server gave it", () => {
  const packet = decode(goldenPacket("ipxe-rom-rrq"));
  assert.ok(packet.kind === "rrq");
  const { oack } = negotiate(packet.options, 108_847, limits);
  assert.deepEqual(Buffer.from(encode({ kind: "oack", options: oack })), goldenPacket("ipxe-rom-oack"));
});

test("the order of the answer does not depend on the order of the question", () => {
  const one = answer({ windowsize: "4", tsize: "0", timeout: "3", blksize: "1024" });
  const other = answer({ timeout: "3", blksize: "1024", windowsize: "4", tsize: "0" });
  assert.equal(one, "blksize=1024 timeout=3 tsize=1000 windowsize=4");
  assert.equal(other, one);
});

test("names are read without case and answered as written", () => {
  assert.equal(answer({ BlkSize: "600", TSIZE: "0" }), "BlkSize=600 TSIZE=1000");
});

test("unknown options are ignored", () => {
  assert.equal(answer({ multicast: "", rollover: "0", utimeout: "100000" }), "");
});

test("blksize: 8 to 65464, never more than a frame holds", () => {
  for (const [asked, expected] of [
    ["7", ""],
    ["8", "blksize=8"],
    ["1468", "blksize=1468"],
    ["1469", "blksize=1468"],
    ["65464", "blksize=1468"],
    ["65465", ""],
    ["0", ""],
    ["-1", ""],
    ["0x200", ""],
    ["", ""],
    ["99999999999999999999", ""],
  ] as const) {
    assert.equal(answer({ blksize: asked }), expected, asked);
  }
  assert.equal(agree({ blksize: "7" }).blockBytes, 512);
});

test("timeout: 1 to 255 seconds, answered the same", () => {
  assert.equal(answer({ timeout: "0" }), "");
  assert.equal(answer({ timeout: "255" }), "timeout=255");
  assert.equal(answer({ timeout: "256" }), "");
  assert.equal(agree({ timeout: "7" }).timeoutMs, 7000);
});

test("tsize: the size, also of an empty file, whatever number the client sent", () => {
  assert.equal(answer({ tsize: "0" }, 0), "tsize=0");
  assert.equal(answer({ tsize: "512" }, 5_000_000_000), "tsize=5000000000");
});

test("windowsize: 1 to 65535, bounded in blocks and in bytes", () => {
  assert.equal(answer({ windowsize: "0" }), "");
  assert.equal(answer({ windowsize: "1" }), "windowsize=1");
  assert.equal(answer({ windowsize: "65535" }), "windowsize=64");
  assert.equal(answer({ windowsize: "65536" }), "");
  const jumbo = agree({ windowsize: "64", blksize: "65464" }, 1000, { blockBytes: 65464 });
  assert.equal(jumbo.windowBlocks, 16);
  assert.equal(agree({ windowsize: "9", blksize: "1468" }, 1, { windowBytes: 100 }).windowBlocks, 1);
});

test("an option given twice counts once, the first time", () => {
  const twice = [
    { name: "blksize", value: "1024" },
    { name: "blksize", value: "8" },
  ];
  const { oack, blockBytes } = negotiate(twice, 1, limits);
  assert.deepEqual(oack, [{ name: "blksize", value: "1024" }]);
  assert.equal(blockBytes, 1024);
});

test("whatever is asked, the terms stay within the RFCs' ranges and our limits", () => {
  const option = fc.record({
    name: fc.oneof(fc.constantFrom("blksize", "TIMEOUT", "tsize", "windowsize"), fc.string()),
    value: fc.oneof(fc.integer({ min: -10, max: 70_000 }).map(String), fc.string()),
  });
  fc.assert(
    fc.property(fc.array(option), fc.nat(), (options, sizeBytes) => {
      const { blockBytes, windowBlocks, timeoutMs, oack } = negotiate(options, sizeBytes, limits);
      assert.ok(blockBytes >= 8 && blockBytes <= 1468);
      assert.ok(windowBlocks >= 1 && windowBlocks <= 64);
      assert.ok(timeoutMs === undefined || (timeoutMs >= 1000 && timeoutMs <= 255_000));
      assert.ok(oack.length <= 4);
      for (const { name } of oack) assert.ok(options.some((asked) => asked.name === name));
    }),
  );
});
