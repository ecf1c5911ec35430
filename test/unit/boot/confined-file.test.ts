import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { AppError } from "../../../server/lib/errors.ts";
import { confinedSegments, openConfined } from "../../../server/boot/confined-file.ts";

const place = mkdtempSync(join(tmpdir(), "confined-"));
const root = join(place, "root");
mkdirSync(join(root, "sub"), { recursive: true });
mkdirSync(join(place, "root-beside"));
writeFileSync(join(root, "loader.efi"), "loader");
writeFileSync(join(root, "sub", "grub.cfg"), "menu");
writeFileSync(join(root, "empty"), "");
writeFileSync(join(place, "secret"), "secret");
writeFileSync(join(place, "root-beside", "secret"), "secret");
symlinkSync("sub/grub.cfg", join(root, "inside"));
symlinkSync(join(root, "loader.efi"), join(root, "inside-absolute"));
symlinkSync("../secret", join(root, "outside"));
symlinkSync("../root-beside", join(root, "outside-directory"));
symlinkSync("/etc/passwd", join(root, "passwd"));
symlinkSync("/proc/self/environ", join(root, "environ"));
symlinkSync("nowhere", join(root, "dangling"));
symlinkSync("loop", join(root, "loop"));
symlinkSync("root", join(place, "current"));
execFileSync("mkfifo", [join(root, "fifo")]);
symlinkSync("/dev/zero", join(root, "zero"));
after(() => rmSync(place, { recursive: true }));

async function textOf(requested: string, from = root): Promise<string | undefined> {
  const file = await openConfined(from, requested);
  if (file === undefined) return undefined;
  try {
    return Buffer.from(await file.read(0, file.sizeBytes)).toString();
  } finally {
    await file.close();
  }
}

async function isForbidden(requested: string): Promise<void> {
  await assert.rejects(textOf(requested), (error) => error instanceof AppError && error.code === "forbidden");
}

test("files below the root, as firmware writes their paths", async () => {
  assert.equal(await textOf("loader.efi"), "loader");
  assert.equal(await textOf("/loader.efi"), "loader");
  assert.equal(await textOf("//sub//grub.cfg"), "menu");
  assert.equal(await textOf("./sub/./grub.cfg"), "menu");
  assert.equal(await textOf("\\sub\\grub.cfg"), "menu");
  assert.equal(await textOf("sub/grub.cfg", join(place, "current")), "menu");
  assert.equal(await textOf("empty"), "");
});

test("what is not there is absent, not forbidden", async () => {
  assert.equal(await textOf("missing"), undefined);
  assert.equal(await textOf("sub/missing"), undefined);
  assert.equal(await textOf("loader.efi/more"), undefined);
  assert.equal(await textOf("dangling"), undefined);
  assert.equal(await textOf("a".repeat(300)), undefined);
  assert.equal(await textOf("loader.efi", join(place, "no-root")), undefined);
});

test("paths that lead upwards are forbidden, in every spelling", async () => {
  for (const path of [
    "..",
    "../secret",
    "sub/../../secret",
    "/../secret",
    "\\..\\secret",
    "sub\\..\\loader.efi",
  ]) {
    await isForbidden(path);
  }
});

test("an absolute path is taken below the root", async () => {
  assert.equal(await textOf("/etc/passwd"), undefined);
  assert.equal(await textOf(join(place, "secret")), undefined);
});

test("a zero byte is forbidden", async () => {
  await isForbidden("loader.efi\0");
  await isForbidden("loader.efi\0.txt");
});

test("links are followed inside the root and nowhere else", async () => {
  assert.equal(await textOf("inside"), "menu");
  assert.equal(await textOf("inside-absolute"), "loader");
  for (const path of ["outside", "outside-directory/secret", "passwd", "environ", "loop"])
    await isForbidden(path);
});

test("directories, FIFOs and devices are refused, and none of them is waited for", async () => {
  for (const path of ["", "/", ".", "sub", "sub/", "fifo", "zero"]) await isForbidden(path);
});

test("a root whose name only begins alike is another directory", async () => {
  await isForbidden("outside-directory/secret");
});

test("the file that was opened is read, whatever its name means later", async () => {
  writeFileSync(join(root, "version"), "first");
  const file = await openConfined(root, "version");
  assert.ok(file !== undefined);
  writeFileSync(join(root, "version.new"), "other");
  renameSync(join(root, "version.new"), join(root, "version"));
  assert.equal(Buffer.from(await file.read(0, 5)).toString(), "first");
  await file.close();
});

test("reads anywhere; a file that became shorter fails", async () => {
  writeFileSync(join(root, "long"), "0123456789");
  const file = await openConfined(root, "long");
  assert.ok(file !== undefined);
  assert.equal(Buffer.from(await file.read(3, 4)).toString(), "3456");
  assert.ok(file.modifiedAtMs > 0);
  truncateSync(join(root, "long"), 4);
  await assert.rejects(file.read(3, 4), /shorter/);
  await file.close();
});

test("segments never lead upwards, whatever is asked", () => {
  const piece = fc.oneof(fc.constantFrom("..", ".", "/", "\\", "\0", "a"), fc.string());
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      let segments: readonly string[];
      try {
        segments = confinedSegments(pieces.join(""));
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === "forbidden");
        return;
      }
      for (const segment of segments) {
        assert.ok(segment !== "" && segment !== "." && segment !== ".." && !/[/\\\0]/.test(segment));
      }
    }),
  );
});
