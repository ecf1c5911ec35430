import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { KeyedDigest } from "../../../server/boot/keyed-digest.ts";

test("RFC 4231, test case 2", () => {
  assert.equal(
    new KeyedDigest("Jefe").of("what do ya want for nothing?"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});

test("it is HMAC-SHA-256, whatever the key and the texts, one after the other", () => {
  const anything = fc.string({ unit: "binary", maxLength: 200 });
  fc.assert(
    fc.property(anything, fc.array(anything, { minLength: 1, maxLength: 5 }), (key, texts) => {
      const digest = new KeyedDigest(key);
      for (const text of texts)
        assert.equal(digest.of(text), createHmac("sha256", key).update(text).digest("hex"));
    }),
  );
});
