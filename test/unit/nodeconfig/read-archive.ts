import assert from "node:assert/strict";
import type { CpioEntry } from "../../../server/nodeconfig/cpio.ts";

/** A reader of newc archives, written from the kernel's description and not from the writer. */
export function readArchive(bytes: Uint8Array): CpioEntry[] {
  const entries: CpioEntry[] = [];
  const buffer = Buffer.from(bytes);
  const aligned = (offset: number): number => Math.ceil(offset / 4) * 4;
  for (let offset = 0; ;) {
    assert.equal(buffer.toString("latin1", offset, offset + 6), "070701", `magic at ${offset}`);
    const field = (index: number): number => {
      const text = buffer.toString("latin1", offset + 6 + index * 8, offset + 14 + index * 8);
      assert.match(text, /^[0-9a-f]{8}$/i);
      return Number.parseInt(text, 16);
    };
    const mode = field(1);
    const size = field(6);
    const nameSize = field(11);
    const name = buffer.toString("utf8", offset + 110, offset + 110 + nameSize - 1);
    assert.equal(buffer[offset + 110 + nameSize - 1], 0);
    const start = aligned(offset + 110 + nameSize);
    if (name === "TRAILER!!!") {
      assert.ok(buffer.subarray(start).every((byte) => byte === 0));
      return entries;
    }
    const content = Uint8Array.from(buffer.subarray(start, start + size));
    assert.equal(content.length, size);
    entries.push(entryOf(`/${name}`, mode, content));
    offset = aligned(start + size);
  }
}

function entryOf(path: string, mode: number, content: Uint8Array): CpioEntry {
  const permissions = mode & 0o7777;
  switch (mode & 0o170000) {
    case 0o100000: {
      return { kind: "file", path, mode: permissions, content };
    }
    case 0o040000: {
      return { kind: "directory", path, mode: permissions };
    }
    case 0o120000: {
      return { kind: "symlink", path, target: Buffer.from(content).toString() };
    }
    default: {
      assert.fail(`unknown file type in mode ${mode.toString(8)}`);
    }
  }
}
