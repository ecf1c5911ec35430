import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DecodeError } from "../../../server/lib/errors.ts";
import { decode, encode } from "../../../server/tftp/codec.ts";
import type { TftpPacket } from "../../../server/tftp/packet.ts";
import { goldenPacket } from "./golden-packets.ts";

function rrq(path: string, options: Record<string, string>): TftpPacket {
  return {
    kind: "rrq",
    path,
    mode: "octet",
    options: Object.entries(options).map(([name, value]) => ({ name, value })),
  };
}

function oack(options: Record<string, string>): TftpPacket {
  return { kind: "oack", options: Object.entries(options).map(([name, value]) => ({ name, value })) };
}

const golden: Record<string, TftpPacket> = {
  "ipxe-rom-rrq": rrq("undionly.kpxe", { blksize: "1432", tsize: "0" }),
  "ipxe-rom-oack": oack({ blksize: "1432", tsize: "108847" }),
  "ipxe-rom-ack0": { kind: "ack", block: 0 },
  "edk2-probe-rrq": rrq("snponly.efi", { tsize: "0", blksize: "1468", windowsize: "4" }),
  "edk2-probe-oack": oack({ blksize: "1468", tsize: "284672" }),
  "edk2-probe-error": { kind: "error", code: 8, message: "User aborted the transfer" },
  "edk2-rrq": rrq("snponly.efi", { blksize: "1468", windowsize: "4" }),
  "edk2-oack": oack({ blksize: "1468" }),
  "edk2-arm64-probe-rrq": rrq("ipxe-arm64.efi", { tsize: "0", blksize: "1468", windowsize: "4" }),
  "edk2-arm64-probe-oack": oack({ blksize: "1468", tsize: "1011712" }),
  "edk2-shim-probe-rrq": rrq("shimx64.efi", { tsize: "0", blksize: "1468", windowsize: "4" }),
  "edk2-shim-rrq": rrq("shimx64.efi", { blksize: "1468", windowsize: "4" }),
};

for (const [name, packet] of Object.entries(golden)) {
  test(`golden ${name} is read, and written the same`, () => {
    const bytes = goldenPacket(name);
    assert.deepEqual(decode(bytes), packet);
    assert.equal(Buffer.from(encode(packet)).toString("hex"), Buffer.from(bytes).toString("hex"));
  });
}

function codeOf(bytes: Uint8Array): string {
  try {
    decode(bytes);
    return "decoded";
  } catch (error) {
    if (error instanceof DecodeError) return error.code;
    throw error;
  }
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

/** Plain objects, to be compared with the decoder's. */
function fields<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true });
}

const text = fc.string({ maxLength: 40, unit: "grapheme" }).filter((value) => !value.includes("\x00"));
const name = text.filter((value) => value !== "");
const options = fc.array(fields({ name, value: text }), { maxLength: 6 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const anyPacket: fc.Arbitrary<TftpPacket> = fc.oneof(
  fields({ kind: fc.constant("rrq" as const), path: text, mode: text, options }),
  fields({ kind: fc.constant("wrq" as const), path: text, mode: text, options }),
  fields({ kind: fc.constant("data" as const), block: u16, data: fc.uint8Array({ maxLength: 600 }) }),
  fields({ kind: fc.constant("ack" as const), block: u16 }),
  fields({ kind: fc.constant("error" as const), code: u16, message: text }),
  fields({ kind: fc.constant("oack" as const), options }),
);

function short(packet: TftpPacket): boolean {
  return encode(packet).length <= 1472;
}

test("every packet survives being written and read", () => {
  fc.assert(
    fc.property(anyPacket.filter(short), (packet) => {
      assert.deepEqual(decode(encode(packet)), packet);
    }),
  );
});

test("every shorter prefix is refused, or is a packet of its own that is written the same", () => {
  const packets = [...Object.keys(golden).map(goldenPacket), ...fc.sample(anyPacket, 30).map(encode)];
  for (const bytes of packets) {
    for (let length = 0; length < bytes.length; length += 1) {
      const prefix = bytes.subarray(0, length);
      if (codeOf(prefix) !== "decoded") continue;
      const packet = decode(prefix);
      // An error is understood however its text ends.
      if (packet.kind === "error") continue;
      assert.deepEqual(Buffer.from(encode(packet)), Buffer.from(prefix), packet.kind);
    }
  }
});

test("a prefix of a request that ends inside its path or mode is refused", () => {
  const bytes = goldenPacket("edk2-rrq");
  for (let length = 0; length < 20; length += 1) assert.equal(codeOf(bytes.subarray(0, length)), "truncated");
});

test("random bytes give a packet or a DecodeError, nothing else", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 1600 }), (opcode, rest) => {
      codeOf(Uint8Array.from([0, opcode, ...rest]));
      codeOf(rest);
    }),
    { numRuns: 2000 },
  );
});

test("what is wrong with a packet is said", () => {
  assert.equal(codeOf(bytesOf("")), "truncated");
  assert.equal(codeOf(bytesOf("\x00")), "truncated");
  assert.equal(codeOf(bytesOf("\x00\x07rest")), "unsupported");
  assert.equal(codeOf(bytesOf("\x01\x01a\x00octet\x00")), "unsupported");
  assert.equal(codeOf(bytesOf("\x00\x01file\x00octet")), "truncated");
  assert.equal(codeOf(bytesOf("\x00\x01file\x00octet\x00blksize\x00")), "truncated");
  assert.equal(codeOf(bytesOf("\x00\x01file\x00octet\x00\x00value\x00")), "bad-value");
  assert.equal(codeOf(bytesOf("\x00\x01fil\xff\x00octet\x00")), "bad-value");
  assert.equal(codeOf(bytesOf(`\x00\x01${"a".repeat(1470)}\x00octet\x00`)), "too-long");
  assert.equal(codeOf(bytesOf("\x00\x04\x00")), "truncated");
  assert.equal(codeOf(bytesOf("\x00\x05\x00")), "truncated");
});

test("clients that pad their packets, or leave an error's last zero byte out, are understood", () => {
  assert.deepEqual(decode(bytesOf("\x00\x01file\x00octet\x00\x00\x00\x00\x00")), rrq("file", {}));
  assert.deepEqual(decode(bytesOf("\x00\x04\x00\x07\x00\x00\x00\x00")), { kind: "ack", block: 7 });
  assert.deepEqual(decode(bytesOf("\x00\x05\x00\x03full")), { kind: "error", code: 3, message: "full" });
  assert.deepEqual(decode(bytesOf("\x00\x05\x00\x00\xff\x00")), {
    kind: "error",
    code: 0,
    message: "\ufffd",
  });
});

test("a zero byte in a text cannot be written", () => {
  assert.throws(() => encode({ kind: "error", code: 0, message: "a\x00b" }), RangeError);
});
