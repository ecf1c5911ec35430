import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  broadcastOf,
  ipv4FromNumber,
  ipv4ToNumber,
  isHostOf,
  parseIpv4,
  subnetContains,
} from "../../../server/lib/ipv4.ts";
import { macFromBytes, parseMac } from "../../../server/lib/mac.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });

test("an address is the same number and text both ways, however often and in whatever order it is asked for", () => {
  fc.assert(
    fc.property(fc.array(u32, { maxLength: 40 }), (numbers) => {
      // Numbers 4096 apart share a place among the texts of late.
      for (const number of [...numbers, ...numbers.map((each) => (each ^ 4096) >>> 0), ...numbers]) {
        const text = ipv4FromNumber(number);
        assert.equal(parseIpv4(text), text);
        assert.equal(ipv4ToNumber(text), number);
        assert.deepEqual(
          text.split(".").map(Number),
          [24, 16, 8, 0].map((shift) => (number >>> shift) & 255),
        );
      }
    }),
  );
});

test("a host's address is any of the subnet but its lowest and its highest", () => {
  fc.assert(
    fc.property(u32, fc.integer({ min: 1, max: 30 }), u32, (within, bits, other) => {
      const size = 2 ** (32 - bits);
      const subnet = { base: ipv4FromNumber(within - (within % size)), bits };
      for (const ip of [within, other, within - (within % size), ipv4ToNumber(broadcastOf(subnet))].map(
        ipv4FromNumber,
      )) {
        const expected = subnetContains(subnet, ip) && ip !== subnet.base && ip !== broadcastOf(subnet);
        assert.equal(isHostOf(subnet, ip), expected, ip);
      }
    }),
  );
});

test("six bytes are the MAC address that their text is, and none where the text is none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 16 }), (bytes) => {
      assert.equal(macFromBytes(bytes), parseMac(Buffer.from(bytes.subarray(0, 6)).toString("hex")));
    }),
  );
  assert.equal(macFromBytes(new Uint8Array(6)), undefined);
  assert.equal(macFromBytes(Uint8Array.of(1, 0, 0, 0, 0, 1)), undefined);
});
