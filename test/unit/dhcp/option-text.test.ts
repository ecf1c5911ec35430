import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readOptionText, optionText, settableOptionNames } from "../../../server/dhcp/option-text.ts";
import { option, printOption } from "../../../server/dhcp/option-table.ts";

function bytesOf(text: string): string {
  const read = readOptionText(text);
  return "option" in read ? Buffer.from(read.option.value).toString("hex") : `fault: ${read.fault}`;
}

for (const [text, hex] of [
  ["ntp-servers=10.0.1.1, 10.0.1.2", "0a0001010a000102"],
  ["42=10.0.1.1", "0a000101"],
  ["swap-server=10.0.1.1", "0a000101"],
  ["interface-mtu=9000", "2328"],
  ["default-ttl=64", "40"],
  ["time-offset=3600", "00000e10"],
  ["ip-forwarding=yes", "01"],
  ["ip-forwarding=0", "00"],
  ["tzdb-timezone=Europe/Vienna", Buffer.from("Europe/Vienna").toString("hex")],
  ["root-path=text:hex:is text", Buffer.from("hex:is text").toString("hex")],
  ["domain-search=rack1.lan,lan.", "057261636b31036c616e00036c616e00"],
  ["classless-routes=10.9.0.0/16 by 10.0.1.254,0.0.0.0/0 via 10.0.1.1", "100a090a0001fe000a000101"],
  ["vendor-options=6=08 10=0a00", "0601080a020a00ff"],
  ["ipxe=176=01", "b00101"],
  ["vendor-identifying-options=hex:00:00:0d:e9", "00000de9"],
  ["224=text:rack 7", "7261636b2037"],
  ["225=ip:10.0.1.1,10.0.1.2", "0a0001010a000102"],
  ["226=hex:0A 0b:0c", "0a0b0c"],
  ["domain-name-servers=hex:0a000101", "0a000101"],
] as const) {
  test(`read: ${text}`, () => assert.equal(bytesOf(text), hex));
}

for (const [text, message] of [
  ["ntp-servers", /is not NAME=VALUE/],
  ["=1", /is not NAME=VALUE/],
  ["ntp-server=10.0.1.1", /no option ntp-server, ntp-servers perhaps/],
  ["256=hex:00", /no option 256/],
  ["ntp-servers=10.0.1", /not an IPv4 address, or several with commas between, or hex/],
  ["ntp-servers=", /not an IPv4 address/],
  ["interface-mtu=65536", /a number from 0 to 65535/],
  ["interface-mtu=hex:01", /1 bytes instead of 2/],
  ["ip-forwarding=maybe", /yes or no/],
  ["classless-routes=10.9.1.0/16 by 10.0.1.1", /routes such as/],
  ["classless-routes=10.9.0.0/33 by 10.0.1.1", /routes such as/],
  ["domain-search=under_-.lan", /domain names/],
  ["root-path=a\nb", /control characters/],
  ["224=abc", /option 224: "abc" is not hex:…, text:… or ip:…$/],
  ["224=hex:0", /is not hex/],
  ["224=ip:10.0.0.256", /is not hex/],
  ["subnet-mask=255.0.0.0", /subnet-mask cannot be set: it follows from the subnet/],
] as const) {
  test(`refused: ${JSON.stringify(text)}`, () => assert.match(bytesOf(text), message));
}

test("what belongs to the protocol cannot be set, by name or by number, and the reason is told", () => {
  for (const code of [0, 50, 51, 52, 53, 54, 55, 56, 57, 61, 82, 97, 255]) {
    assert.match(bytesOf(`${code}=hex:01`), /^fault: .* cannot be set: it \w+/);
    const { name } = printOption(code, new Uint8Array());
    if (!name.startsWith("option-")) assert.match(bytesOf(`${name}=hex:01`), /cannot be set/);
    assert.ok(!settableOptionNames().includes(name));
  }
});

test("an option as it is shown is read back as the same bytes, whatever they are", () => {
  const codes = fc.oneof(
    fc.constantFrom(...Object.values(option).map((row) => row.code)),
    fc.integer({ min: 1, max: 254 }),
  );
  fc.assert(
    fc.property(codes, fc.uint8Array({ minLength: 1, maxLength: 40 }), (code, value) => {
      const shown = optionText({ code, value });
      const read = readOptionText(shown);
      if ("fault" in read) {
        // Only what could not have been set in the first place.
        assert.match(
          read.fault,
          /cannot be set|bytes instead of|no list of|label|points|cut off|prefix|message type|bytes, 1024/,
          shown,
        );
        return;
      }
      assert.equal(read.option.code, code);
      assert.equal(Buffer.from(read.option.value).toString("hex"), Buffer.from(value).toString("hex"), shown);
    }),
    { numRuns: 2000 },
  );
});

test("reading never throws", () => {
  fc.assert(
    fc.property(fc.constantFrom(...settableOptionNames()), fc.string(), (name, value) => {
      const read = readOptionText(`${name}=${value}`);
      assert.ok("fault" in read || read.option.value.length > 0);
    }),
    { numRuns: 2000 },
  );
});
