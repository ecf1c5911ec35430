import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { isVersionName, parseReference, versionName } from "../../../server/image/manifest.ts";

const day = Date.UTC(2026, 10, 22, 23, 59);
const digest = "3f9a1c04ffffffff";

describe("version names", () => {
  it("are the day and the beginning of the inputs' digest", () => {
    assert.equal(versionName(day, digest, new Set()), "20261122-3f9a1c04");
  });

  it("are counted when taken", () => {
    assert.equal(versionName(day, digest, new Set(["20261122-3f9a1c04"])), "20261122-3f9a1c04.2");
    assert.equal(
      versionName(day, digest, new Set(["20261122-3f9a1c04", "20261122-3f9a1c04.2"])),
      "20261122-3f9a1c04.3",
    );
  });

  it("are told from other names", () => {
    assert.ok(isVersionName("20261122-3f9a1c04"));
    assert.ok(isVersionName("20261122-3f9a1c04.12"));
    for (const other of [
      "current",
      "lost+found",
      "20261122",
      "20261122-3f9a1c0",
      "20261122-3f9a1c04.x",
      "../20261122-3f9a1c04",
    ]) {
      assert.equal(isVersionName(other), false, other);
    }
  });
});

describe("image references", () => {
  it("are a name, or a name and a version", () => {
    assert.deepEqual(parseReference("debian-13"), { name: "debian-13" });
    assert.deepEqual(parseReference("debian-13@20261122-3f9a1c04"), {
      name: "debian-13",
      version: "20261122-3f9a1c04",
    });
  });

  it("lead nowhere out of the store", () => {
    for (const reference of [
      "",
      ".",
      "..",
      "../etc",
      "a/b",
      "a@",
      "a@..",
      "a@b@c",
      "a@current",
      "A",
      "a\0",
    ]) {
      assert.equal(parseReference(reference), undefined, reference);
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        const reference = parseReference(text);
        if (reference === undefined) return;
        assert.match(reference.name, /^[a-z0-9.-]+$/);
        assert.ok(!reference.name.startsWith("."));
      }),
    );
  });
});
