import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";

/** A kernel and an initrd as large as those of a Debian image, where there is no image. */
export const defaultFileBytes = 48 * 2 ** 20;

const version = "20260101-00000000";

/** What an image store has of one version (image/manifest.ts), with files of zeros: a kernel of a quarter of the size. */
export function writeSyntheticImage(store: string, name: string, bytes: number): void {
  const directory = path.join(store, name, version);
  mkdirSync(path.join(directory, "rootfs", "usr"), { recursive: true });
  const kernelBytes = Math.ceil(bytes / 4);
  writeSparse(path.join(directory, "vmlinuz"), kernelBytes);
  writeSparse(path.join(directory, "initrd.img"), bytes - kernelBytes);
  const manifest = {
    name,
    version,
    architecture: "amd64",
    suite: "synthetic",
    kernelVersion: "synthetic",
    kernelArguments: ["rw"],
    builtAtMs: 0,
    inputsDigest: "0".repeat(64),
    rootDigest: "0".repeat(64),
    bytes,
    node: { sha256: "0".repeat(64) },
    packages: {},
  };
  writeFileSync(path.join(directory, "manifest.json"), JSON.stringify(manifest));
  symlinkSync(version, path.join(store, name, "current"));
}

/** As large as Debian's. */
const loaderBytes = { "undionly.kpxe": 70_000, "snponly.efi": 260_000 } as const;

export function writeSyntheticLoaders(directory: string): void {
  mkdirSync(directory, { recursive: true });
  for (const [name, bytes] of Object.entries(loaderBytes)) writeSparse(path.join(directory, name), bytes);
}

function writeSparse(file: string, bytes: number): void {
  writeFileSync(file, "");
  truncateSync(file, bytes);
}
