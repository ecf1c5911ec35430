import { readFileSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { imageStore } from "./boot-lab.ts";

/** An image store of its own with whole and broken copies of the image; its files are hard links, so it costs nothing. */
export type BrokenImages = {
  store: string;
  /** Takes the root file system of `no-root` away, and puts it back. */
  takeRootAway: () => void;
  putRootBack: () => void;
  remove: () => void;
};

/** `debian-13` as it is; `no-kernel` without its kernel; `no-root`, whose root can be taken away. */
export async function brokenImages(): Promise<BrokenImages> {
  // On the same file system, for the links, and with a path that can be exported.
  const store = join(dirname(imageStore), `images-of-test-${process.pid}`);
  const version = readlinkSync(join(imageStore, "debian-13/current"));
  for (const name of ["debian-13", "no-kernel", "no-root"]) {
    await execa("mkdir", ["-p", join(store, name)]);
    await execa("cp", ["-al", join(imageStore, "debian-13", version), join(store, name, version)]);
    await execa("ln", ["-s", version, join(store, name, "current")]);
    rename(join(store, name, version, "manifest.json"), name);
  }
  rmSync(join(store, "no-kernel", version, "vmlinuz"));
  const root = join(store, "no-root", version, "rootfs");
  return {
    store,
    takeRootAway: () => renameSync(root, `${root}-away`),
    putRootBack: () => renameSync(`${root}-away`, root),
    remove: () => rmSync(store, { recursive: true, force: true }),
  };
}

/** A manifest tells the image's name. Removed first: the file is a link to the real image's. */
function rename(manifest: string, name: string): void {
  const content = JSON.parse(readFileSync(manifest, "utf8")) as object;
  rmSync(manifest);
  writeFileSync(manifest, JSON.stringify({ ...content, name }));
}

/** Stores that killed test runs have left. */
export function removeOldStores(): void {
  const parent = dirname(imageStore);
  for (const name of readdirSync(parent)) {
    const pid = /^images-of-test-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !readdirSync("/proc").includes(pid)) {
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}
