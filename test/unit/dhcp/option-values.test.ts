import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { option, optionOf, printOption, readOption, rowOf } from "../../../server/dhcp/option-table.ts";
import * as values from "../../../server/dhcp/option-values.ts";
import { DecodeError } from "../../../server/lib/errors.ts";
import { ipv4FromNumber } from "../../../server/lib/ipv4.ts";
import { ip } from "../../support/dhcp-scene.ts";

const address = fc.integer({ min: 0, max: 0xffffffff }).map(ipv4FromNumber);

function roundTrips<T>(codec: values.ValueCodec<T>, any: fc.Arbitrary<T>): void {
  fc.assert(fc.property(any, (value) => assert.deepEqual(codec.decode(codec.encode(value)), value)));
}

test("every kind of value reads back as it was written", () => {
  roundTrips(values.u8, fc.integer({ min: 0, max: 255 }));
  roundTrips(values.u16, fc.integer({ min: 0, max: 0xffff }));
  roundTrips(values.u32, fc.integer({ min: 0, max: 0xffffffff }));
  roundTrips(values.flag, fc.boolean());
  roundTrips(values.ipv4, address);
  roundTrips(values.ipv4List, fc.array(address, { minLength: 1 }));
  roundTrips(values.messageType, fc.constantFrom(...values.messageTypeNames));
  roundTrips(values.userClasses, fc.array(fc.stringMatching(/^[a-zA-Z0-9]{1,20}$/), { minLength: 1 }));
  const route = fc.record(
    {
      base: fc.constantFrom(ip("10.0.0.0"), ip("0.0.0.0")),
      bits: fc.constantFrom(7, 8, 9, 24, 32),
      router: address,
    },
    { noNullPrototype: true },
  );
  roundTrips(values.routes, fc.array(route, { minLength: 1 }));
});

test("no value, however malformed, escapes as anything but DecodeError, and every one can be printed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 254 }), fc.uint8Array({ maxLength: 64 }), (code, bytes) => {
      const row = rowOf(code);
      try {
        row?.value.decode(bytes);
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
      }
      assert.equal(typeof printOption(code, bytes).value, "string");
    }),
  );
});

test("values as the RFCs show them", () => {
  // RFC 3442 section 2: 10.0.0.0/8, 10.17.0.0/16, 10.27.129.0/24, 10.229.0.128/25.
  const route = (base: string, bits: number) => ({ base: ip(base), bits, router: ip("10.0.0.1") });
  const list = [
    route("10.0.0.0", 8),
    route("10.17.0.0", 16),
    route("10.27.129.0", 24),
    route("10.229.0.128", 25),
  ];
  const wire = "080a0a000001100a110a000001180a1b810a000001190ae500800a000001";
  assert.equal(Buffer.from(values.routes.encode(list)).toString("hex"), wire);
  assert.deepEqual(values.routes.decode(Buffer.from(wire, "hex")), list);
});

test("a text loses the NULs that some clients end it with", () => {
  assert.equal(values.text.decode(Buffer.from("undionly.kpxe\0\0")), "undionly.kpxe");
  assert.equal(values.text.print("a\u0007\n"), '"a\\u0007\\n"');
});

test("user class: iPXE's bare form and the list of RFC 3004", () => {
  assert.deepEqual(values.userClasses.decode(Buffer.from("iPXE")), ["iPXE"]);
  assert.deepEqual(values.userClasses.decode(Buffer.from("\u0004iPXE")), ["iPXE"]);
  assert.deepEqual(values.userClasses.decode(Buffer.from("\u0004iPXE\u0003abc")), ["iPXE", "abc"]);
});

test("a machine's UUID is printed as SMBIOS and dmidecode print it", () => {
  const bytes = Buffer.from("0033221100554477668899aabbccddeeff", "hex");
  assert.deepEqual(printOption(97, bytes), {
    name: "machine-uuid",
    value: "00112233-4455-6677-8899-aabbccddeeff",
  });
});

test("malformed values say which option it was", () => {
  const broken: readonly (readonly [number, number[]])[] = [
    [53, []],
    [53, [1, 1]],
    [53, [99]],
    [54, [10, 0, 0]],
    [6, [10, 0, 0]],
    [6, []],
    [57, [1]],
    [61, []],
    [93, [7]],
    [97, [0, 1]],
    [175, [19, 5, 1]],
    [121, [33, 10, 0, 0, 1]],
    [121, [24, 10, 0]],
  ];
  for (const [code, bytes] of broken) {
    const row = rowOf(code);
    assert.ok(row, String(code));
    assert.throws(
      () => readOption(new Map([[code, Uint8Array.from(bytes)]]), row),
      (error) => error instanceof DecodeError && error.message.includes(`option ${code} ${row.name}`),
    );
  }
});

test("absent is undefined, not an error", () => {
  assert.equal(readOption(new Map(), option.serverId), undefined);
});

test("43 ends as PXE wants it, 175 does not", () => {
  const inner = new Map([[6, Uint8Array.of(8)]]);
  assert.deepEqual([...optionOf(option.vendorOptions, inner)[1]], [6, 1, 8, 255]);
  assert.deepEqual([...optionOf(option.ipxe, inner)[1]], [6, 1, 8]);
  assert.deepEqual(option.vendorOptions.value.decode(Uint8Array.of(0, 6, 1, 8, 255, 9)), inner);
});

test("codes and names are each used once", () => {
  const rows = Object.values(option);
  assert.equal(new Set(rows.map((row) => row.code)).size, rows.length);
  assert.equal(new Set(rows.map((row) => row.name)).size, rows.length);
});

test("an option without a row keeps its number and is printed in hexadecimal", () => {
  assert.deepEqual(printOption(224, Uint8Array.of(1, 255)), { name: "option-224", value: "01ff" });
  assert.match(printOption(54, Uint8Array.of(1)).value, /^malformed: 01$/);
});
