import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { currentLink, type Manifest, versionFiles } from "../../server/image/manifest.ts";

/** An image in the store as if built, with a kernel and an initrd of any bytes. @returns where the initrd is */
export function writeImage(store: string, { kernel, initrd }: { kernel: Buffer; initrd: Buffer }): string {
  const version = "20260101-00000000";
  const directory = join(store, "debian-13", version);
  mkdirSync(join(directory, versionFiles.root), { recursive: true });
  const manifest: Manifest = {
    name: "debian-13",
    version,
    architecture: "amd64",
    suite: "trixie",
    kernelVersion: "6.12",
    kernelArguments: [],
    builtAtMs: 0,
    inputsDigest: "0".repeat(64),
    rootDigest: "0".repeat(64),
    bytes: kernel.length + initrd.length,
    node: { sha256: "0".repeat(64) },
    packages: {},
  };
  writeFileSync(join(directory, versionFiles.kernel), kernel);
  writeFileSync(join(directory, versionFiles.initrd), initrd);
  writeFileSync(join(directory, versionFiles.manifest), JSON.stringify(manifest));
  symlinkSync(version, join(store, "debian-13", currentLink));
  return join(directory, versionFiles.initrd);
}
