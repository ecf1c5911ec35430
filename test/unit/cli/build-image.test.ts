import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { headDirectory, provision } from "./fake-head.ts";

describe("provision build-image", { concurrency: 2 }, () => {
  it("--dry-run says that it would build, and makes no store", async (context) => {
    const head = headDirectory(context);
    const { status, stdout, stderr } = await provision([
      "build-image",
      "debian-13",
      "-n",
      "--config",
      head.config,
    ]);
    assert.equal(stderr, "");
    assert.equal(stdout, "would build: debian-13\n");
    assert.equal(status, 0);
    assert.ok(!existsSync(join(head.directory, "images")));
  });

  for (const name of ["debian-12", "..", "../images/debian-13", "debian-13/rootfs"]) {
    it(`${name} is no image; those that there are get named`, async () => {
      const { status, stderr } = await provision(["build-image", name, "--image-store", "/nonexistent"]);
      assert.match(stderr, /^provision: there is no image .*; it has debian-13/);
      assert.equal(status, 1);
    });
  }

  it("a Node for another architecture is refused before anything is done", async () => {
    const other = process.arch === "arm64" ? "amd64" : "arm64";
    const words = [
      "build-image",
      "debian-13",
      "--architecture",
      other,
      "--image-store",
      "/nonexistent",
      "--dry-run",
    ];
    const { status, stderr } = await provision(words);
    assert.match(stderr, new RegExp(other));
    assert.ok(status === 1 || status === 2, stderr);
  });

  it("a configuration that was named must be there", async () => {
    const { status, stderr } = await provision(["build-image", "debian-13", "--config", "/nonexistent.yaml"]);
    assert.match(stderr, /^provision: there is no configuration \/nonexistent\.yaml/);
    assert.equal(status, 1);
  });
});
