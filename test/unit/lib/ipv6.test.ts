import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import {
  ipv6FromBytes,
  ipv6ToBytes,
  isLinkLocal,
  parseIpv6,
  parseIpv6Prefix,
  prefixOf,
} from "../../../server/lib/ipv6.ts";

test("addresses are written as RFC 5952 says", () => {
  const written: Record<string, string | undefined> = {
    "2001:DB8:0:0:1:0:0:1": "2001:db8::1:0:0:1",
    "2001:db8:0:1:1:1:1:1": "2001:db8:0:1:1:1:1:1",
    "0:0:0:0:0:0:0:0": "::",
    "::ffff:10.0.1.1": "::ffff:a00:101",
    "1::": "1::",
    "::1": "::1",
    "fe80::1%eth0": undefined,
    "1:2:3:4:5:6:7": undefined,
    "1:2:3:4:5:6:7:8:9": undefined,
    "1::2::3": undefined,
    "::12345": undefined,
    "::10.0.1.256": undefined,
    "10.0.1.1": undefined,
    "": undefined,
    ":": undefined,
  };
  for (const [text, expected] of Object.entries(written)) assert.equal(parseIpv6(text), expected, text);
});

test("bytes, text and Node's own opinion agree", () => {
  const sparse = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(sparse, (bytes) => {
      const ip = ipv6FromBytes(Uint8Array.from(bytes));
      assert.ok(isIPv6(ip), ip);
      assert.deepEqual([...ipv6ToBytes(ip)], bytes);
      assert.equal(parseIpv6(ip), ip);
    }),
  );
});

test("what is read is what Node takes for an address, but for zones and the empty `::`", () => {
  const text = fc.string({ unit: fc.constantFrom("0", "1", "f", ":", "::", ".", "1.2.3.4"), maxLength: 12 });
  fc.assert(
    fc.property(text, (candidate) => {
      const [colons] = [candidate.split("::").length - 1];
      const full = colons === 1 && candidate.split(/:+/).filter(Boolean).length >= 8;
      if (!full) assert.equal(parseIpv6(candidate) !== undefined, isIPv6(candidate), candidate);
    }),
    { numRuns: 5000 },
  );
});

test("a prefix is the lowest address of 64 bits", () => {
  assert.deepEqual(parseIpv6Prefix("fd77:0:0:1::/64"), { base: "fd77:0:0:1::", bits: 64 });
  for (const text of ["fd77::1/64", "fd77::/63", "fd77::", "10.0.1.0/24"])
    assert.equal(parseIpv6Prefix(text), undefined, text);
  const ip = parseIpv6("fd77::aaaa:1");
  assert.ok(ip);
  assert.equal(prefixOf(ip).base, "fd77::");
  assert.equal(isLinkLocal(ip), false);
  assert.equal(isLinkLocal(parseIpv6("febf::1") ?? ip), true);
});
