import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { decode } from "../../../server/dhcp/decode.ts";
import { encode, replyLimit } from "../../../server/dhcp/encode.ts";
import { option, optionOf, readOption } from "../../../server/dhcp/option-table.ts";
import type { DhcpPacket } from "../../../server/dhcp/packet.ts";
import { printPacket } from "../../../server/dhcp/print.ts";
import { ByteWriter } from "../../../server/lib/bytes.ts";
import { DecodeError } from "../../../server/lib/errors.ts";
import { ipv4FromNumber } from "../../../server/lib/ipv4.ts";
import { ask, goldenPacket } from "../../support/dhcp-scene.ts";

const goldenFolder = new URL("golden/", import.meta.url);
const goldenNames = readdirSync(goldenFolder)
  .filter((name) => name.endsWith(".hex"))
  .map((name) => name.slice(0, -4));

function decodeCode(bytes: Uint8Array): string {
  try {
    decode(bytes);
    return "decoded";
  } catch (error) {
    if (error instanceof DecodeError) return error.code;
    throw error;
  }
}

/** A packet with these bytes as its options field. */
function withOptions(bytes: readonly number[]): Uint8Array {
  const header = encode(ask("DISCOVER", { mac: "52:54:00:00:00:01" })).bytes.subarray(0, 240);
  return Uint8Array.from([...header, ...bytes]);
}

for (const name of goldenNames) {
  test(`golden ${name}: means what is written beside it, and survives being written again`, () => {
    const packet = decode(goldenPacket(name));
    const textFile = new URL(`${name}.txt`, goldenFolder);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(textFile, printPacket(packet));
    assert.equal(printPacket(packet), readFileSync(textFile, "utf8"));
    assert.deepEqual(plain(decode(encode(packet).bytes)), plain(packet));
  });
}

test("without the cookie it is BOOTP of before RFC 1048: a header, and no options", () => {
  const packet = decode(Uint8Array.from(goldenPacket("networkd-discover")).with(236, 0));
  assert.equal(packet.options.size, 0);
  assert.equal(packet.xid, 0x823e47ad);
});

test("golden packets are there for every firmware we boot", () => {
  for (const firmware of ["edk2-x64-pxe", "edk2-arm64-pxe", "edk2-x64-http", "ipxe-bios", "ipxe-efi"]) {
    for (const message of ["discover", "request"]) assert.ok(goldenNames.includes(`${firmware}-${message}`));
  }
});

const u8 = fc.integer({ min: 0, max: 255 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const latin1 = (max: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { maxLength: max })
    .map((codes) => String.fromCharCode(...codes));
const optionCode = fc.integer({ min: 1, max: 254 }).filter((code) => code !== 52);

const anyPacket: fc.Arbitrary<DhcpPacket> = fc.record({
  op: u8,
  htype: u8,
  hlen: fc.integer({ min: 0, max: 16 }),
  hops: u8,
  xid: u32,
  secs: u16,
  flags: u16,
  ciaddr: u32.map(ipv4FromNumber),
  yiaddr: u32.map(ipv4FromNumber),
  siaddr: u32.map(ipv4FromNumber),
  giaddr: u32.map(ipv4FromNumber),
  chaddr: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  sname: latin1(63),
  file: latin1(127),
  options: fc
    .array(fc.tuple(optionCode, fc.uint8Array({ maxLength: 700 })), { maxLength: 12 })
    .map((entries) => new Map(entries)),
});

/** Plain values: `deepEqual` tells a Buffer from a Uint8Array, which is not what matters here. */
function plain(packet: DhcpPacket): object {
  return {
    ...packet,
    chaddr: [...packet.chaddr],
    options: new Map([...packet.options].map(([code, value]) => [code, [...value]])),
  };
}

test("whatever is written reads back the same, unknown and long options too", () => {
  fc.assert(
    fc.property(anyPacket, (packet) => {
      const { bytes, dropped } = encode(packet, 65_000);
      assert.deepEqual(dropped, []);
      assert.deepEqual(plain(decode(bytes)), plain(packet));
    }),
  );
});

test("a writer that is used again leaves nothing of the message before", () => {
  const writer = new ByteWriter();
  fc.assert(
    fc.property(anyPacket, fc.integer({ min: 548, max: 1472 }), (packet, limit) => {
      assert.deepEqual(encode(packet, limit, writer), encode(packet, limit));
    }),
  );
});

test("a message never grows past its limit, is 300 bytes at least, and says what it left out", () => {
  fc.assert(
    fc.property(anyPacket, fc.integer({ min: 548, max: 1472 }), (packet, limit) => {
      const { bytes, dropped } = encode(packet, limit);
      assert.ok(bytes.length <= limit && bytes.length >= 300, String(bytes.length));
      const back = decode(bytes);
      const expected = new Map([...packet.options].filter(([code]) => !dropped.includes(code)));
      assert.deepEqual(plain(back), plain({ ...packet, options: expected }));
    }),
  );
});

test("what does not fit goes into file and sname by option 52, the least important first", () => {
  const packet = ask("DISCOVER", { mac: "52:54:00:00:00:01" });
  const options = new Map<number, Uint8Array>([
    [82, Uint8Array.from([1, 2, 7, 7])],
    [224, new Uint8Array(100).fill(4)],
    [225, new Uint8Array(50).fill(5)],
    [226, new Uint8Array(60).fill(6)],
    ...packet.options,
    [223, new Uint8Array(200).fill(3)],
    [222, new Uint8Array(90).fill(2)],
  ]);
  const { bytes, dropped } = encode({ ...packet, options }, 548);
  assert.equal(bytes[243], 52, "option 52 stands right after the message type");
  assert.deepEqual(dropped, [226]);
  assert.deepEqual(Buffer.from(bytes.subarray(-7)).toString("hex"), "520401020707ff");
  assert.deepEqual(
    [...decode(bytes).options.keys()].sort((a, b) => a - b),
    [53, 82, 222, 223, 224, 225],
  );
  const named = encode({ ...packet, file: "snponly.efi", options }, 548);
  assert.deepEqual(named.dropped, [224, 226], "file is taken, so only sname is left");
  assert.equal(decode(named.bytes).file, "snponly.efi");
});

test("the same packet gives the same bytes, however its options were put together", () => {
  const options = [
    optionOf(option.hostname, "n1"),
    optionOf(option.dns, []),
    [240, Uint8Array.of(1)],
  ] as const;
  const packet = ask("DISCOVER", { mac: "52:54:00:00:00:01", options });
  const other = { ...packet, options: new Map([...packet.options].toReversed()) };
  assert.deepEqual(encode(packet).bytes, encode(other).bytes);
});

test("the limit is the client's, within what an Ethernet frame carries and what every client must take", () => {
  assert.deepEqual(
    [undefined, 0, 576, 1000, 1472, 1500, 65_280].map(replyLimit),
    [548, 548, 548, 972, 1444, 1472, 1472],
  );
});

/**
 * The rule for shorter packets: a prefix is refused as truncated when it ends in the header or within an option; one
 * that ends between two options is read as what it holds, since a missing end option is forgiven.
 */
test("truncation: every shorter prefix is refused, or ends between options and reads as that much less", () => {
  for (const name of goldenNames) {
    const bytes = goldenPacket(name);
    const whole = decode(bytes);
    for (let length = 0; length < bytes.length; length += 1) {
      const prefix = bytes.subarray(0, length);
      // Without its cookie it is a message of BOOTP, with nothing in its vendor field.
      const between = length >= 236 && (length < 240 || endsBetweenOptions(prefix));
      assert.equal(decodeCode(prefix), between ? "decoded" : "truncated", `${name} cut to ${length}`);
      if (!between) continue;
      const cut = decode(prefix);
      for (const [code, value] of cut.options) assert.deepEqual(value, whole.options.get(code));
      assert.deepEqual({ ...cut, options: 0 }, { ...whole, options: 0 });
    }
  }
});

/** Walks the options by itself: no code of the decoder's is used. */
function endsBetweenOptions(bytes: Uint8Array): boolean {
  let at = 240;
  while (at < bytes.length) {
    const code = bytes[at];
    if (code === 255) return true;
    at += code === 0 ? 1 : 2 + (bytes[at + 1] ?? 255);
  }
  return at === bytes.length;
}

test("hostile: only DecodeError ever escapes, from random bytes and from damaged packets", () => {
  const seeds = goldenNames.map(goldenPacket);
  const damaged = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(700), u8), { maxLength: 30 }))
    .map(([seed, changes]) => {
      const bytes = Uint8Array.from(seed);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes;
    });
  const random = fc.uint8Array({ maxLength: 1500 });
  const shaped = fc.uint8Array({ maxLength: 600 }).map((tail) => withOptions([...tail]));
  fc.assert(
    fc.property(fc.oneof(random, damaged, shaped), (bytes) => {
      if (decodeCode(bytes) !== "decoded") return;
      const packet = decode(bytes);
      printPacket(packet);
      encode(packet, 548);
    }),
    { seed: 20_260_101, numRuns: 3000 },
  );
});

test("hostile: each broken form has its code", () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ["an option's length past the end", withOptions([53, 1, 1, 12, 200, 65]), "truncated"],
    ["a code with no length", withOptions([53, 1, 1, 12]), "truncated"],
    ["overload of 0", withOptions([52, 1, 0, 255]), "bad-value"],
    ["overload of 4", withOptions([52, 1, 4, 255]), "bad-value"],
    ["overload of no byte", withOptions([52, 0, 255]), "bad-value"],
    ["overload twice", withOptions([52, 1, 1, 52, 1, 1, 255]), "bad-value"],
    ["hlen of 17", Uint8Array.from(goldenPacket("networkd-discover")).with(2, 17), "bad-value"],
    ["nothing", new Uint8Array(), "truncated"],
  ];
  for (const [name, bytes, code] of cases) assert.equal(decodeCode(bytes), code, name);
});

test("hostile: an option cut off inside an overloaded field is refused", () => {
  const bytes = withOptions([52, 1, 1, 255]);
  bytes.fill(0, 108, 236);
  bytes.set([12, 200], 108);
  assert.equal(decodeCode(bytes), "truncated");
});

test("hostile: a packet as large as UDP allows is read in no time", () => {
  const small = Array.from({ length: 20_000 }, () => [12, 1, 65]).flat();
  const packet = decode(withOptions([53, 1, 1, ...small, 255]));
  assert.equal(packet.options.get(12)?.length, 20_000);
});

test("duplicates join as RFC 3396 says, so a number given twice is no number", () => {
  const packet = decode(withOptions([53, 1, 1, 12, 2, 110, 48, 12, 2, 48, 49, 53, 1, 1, 255]));
  assert.equal(readOption(packet.options, option.hostname), "n001");
  assert.throws(() => readOption(packet.options, option.messageType), DecodeError);
});

test("overload: options first, then file, then sname; the fields themselves are then empty", () => {
  const bytes = withOptions([53, 1, 1, 12, 1, 97, 52, 1, 3, 255]);
  bytes.fill(0, 44, 236);
  bytes.set([12, 1, 99, 255, 7, 7], 44);
  bytes.set([0, 12, 1, 98, 255, 9], 108);
  const packet = decode(bytes);
  assert.equal(readOption(packet.options, option.hostname), "abc");
  assert.deepEqual([packet.sname, packet.file], ["", ""]);
  assert.equal(packet.options.has(52), false);
});
