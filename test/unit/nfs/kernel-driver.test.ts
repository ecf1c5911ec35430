import assert from "node:assert/strict";
import { isBuiltin } from "node:module";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

describe("the driver that tries the kernel's NFS server in a guest", () => {
  it("fits into one file that needs nothing but Node", async () => {
    const driver = fileURLToPath(import.meta.resolve("../../support/kernel-nfs-driver.ts"));
    const bundle = await build({
      entryPoints: [driver],
      bundle: true,
      platform: "node",
      format: "esm",
      write: false,
      metafile: true,
      logLevel: "silent",
    });
    const outside = Object.values(bundle.metafile.outputs).flatMap((output) =>
      output.imports.filter((from) => from.external === true).map((from) => from.path),
    );
    assert.ok(outside.length > 0);
    assert.ok(outside.every(isBuiltin), outside.join(" "));
  });
});
