import assert from "node:assert/strict";
import { test } from "node:test";
import { macFromBytes } from "../../../server/lib/mac.ts";

test("MACs that differ in one byte only are told apart, however often each has been seen", () => {
  const base = [0x52, 0x54, 0x10, 0x20, 0x30, 0x40];
  const each = base.map((_, at) =>
    Uint8Array.from(base, (byte, index) => (index === at ? byte ^ 0x02 : byte)),
  );
  const text = (bytes: Uint8Array): string =>
    Buffer.from(bytes)
      .toString("hex")
      .replaceAll(/(..)(?=.)/g, "$1:");
  for (let round = 0; round < 3; round += 1) {
    for (const bytes of [Uint8Array.from(base), ...each]) assert.equal(macFromBytes(bytes), text(bytes));
  }
});
