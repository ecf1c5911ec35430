import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addWords, checksumOf } from "../../../server/net/internet-checksum.ts";

test("the example of RFC 1071 section 3", () => {
  const bytes = Buffer.from("0001f203f4f5f6f7", "hex");
  assert.equal(addWords(bytes, 0, bytes.length), 0x2ddf0);
  assert.equal(checksumOf(addWords(bytes, 0, bytes.length)), 0x220d);
});

test("whatever carries its own checksum sums up to none, also with an odd byte at its end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 1500 }), (content) => {
      const bytes = Buffer.concat([Buffer.alloc(2), content]);
      bytes.writeUInt16BE(checksumOf(addWords(bytes, 0, bytes.length)), 0);
      assert.equal(checksumOf(addWords(bytes, 0, bytes.length)), 0);
      const middle = 2 * Math.floor(bytes.length / 4);
      const inParts = addWords(bytes, middle, bytes.length, addWords(bytes, 0, middle));
      assert.equal(inParts, addWords(bytes, 0, bytes.length));
    }),
  );
});
