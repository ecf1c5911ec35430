import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../../../server/lib/errors.ts";
import { type CpioEntry, newcArchive } from "../../../server/nodeconfig/cpio.ts";
import { readArchive } from "./read-archive.ts";

const directory = mkdtempSync(join(tmpdir(), "cpio-"));
after(() => rmSync(directory, { recursive: true }));

const sample: readonly CpioEntry[] = [
  { kind: "directory", path: "/secret", mode: 0o700 },
  { kind: "file", path: "/secret/key", mode: 0o600, content: Buffer.from("k") },
  { kind: "file", path: "/etc/long name.conf", mode: 0o644, content: Buffer.from("four") },
  { kind: "file", path: "/etc/empty", mode: 0o755, content: new Uint8Array() },
  { kind: "symlink", path: "/etc/link", target: "../secret/key" },
];

describe("newc archive", () => {
  it("is what cpio lists", () => {
    const listing = execFileSync("cpio", ["-tv", "--numeric-uid-gid", "--quiet"], {
      input: newcArchive(sample),
      encoding: "utf8",
      env: { ...process.env, TZ: "UTC", LC_ALL: "C" },
    });
    assert.deepEqual(
      // A date of the last half year is shown with its hour in the place of the year.
      listing
        .trimEnd()
        .split("\n")
        .map((line) => line.replaceAll(/ +/g, " ").replace(/ Jan 1 \S+/, "")),
      [
        "drwx------ 2 0 0 0 secret",
        "-rw------- 1 0 0 1 secret/key",
        "drwxr-xr-x 2 0 0 0 etc",
        "-rw-r--r-- 1 0 0 4 etc/long name.conf",
        "-rwxr-xr-x 1 0 0 0 etc/empty",
        "lrwxrwxrwx 1 0 0 13 etc/link -> ../secret/key",
      ],
    );
  });

  it("is what cpio extracts, with modes", () => {
    const cwd = mkdtempSync(join(directory, "out-"));
    execFileSync("cpio", ["-i", "--quiet", "--no-absolute-filenames"], { input: newcArchive(sample), cwd });
    assert.equal(lstatSync(join(cwd, "secret")).mode & 0o7777, 0o700);
    assert.equal(lstatSync(join(cwd, "secret/key")).mode & 0o7777, 0o600);
    assert.equal(readFileSync(join(cwd, "secret/key"), "utf8"), "k");
    assert.equal(lstatSync(join(cwd, "etc")).mode & 0o7777, 0o755);
    assert.equal(readFileSync(join(cwd, "etc/long name.conf"), "utf8"), "four");
    assert.equal(lstatSync(join(cwd, "etc/empty")).mode & 0o7777, 0o755);
    assert.equal(readlinkSync(join(cwd, "etc/link")), "../secret/key");
  });

  it("has the header that the kernel's documentation gives", () => {
    const bytes = Buffer.from(
      newcArchive([{ kind: "file", path: "/a", mode: 0o640, content: Buffer.from("xyz") }]),
    );
    assert.equal(
      bytes.subarray(0, 110).toString(),
      "070701" + // magic
        "00000001" + // inode
        "000081a0" + // mode
        "0000000000000000" + // uid, gid
        "00000001" + // links
        "6955b900" + // time
        "00000003" + // size
        "00000000000000000000000000000000" + // device numbers
        "00000002" + // name with its NUL
        "00000000", // checksum
    );
    assert.equal(bytes.subarray(110, 120).toString("latin1"), "a\u0000xyz\u00000707");
    assert.equal(bytes.length, 512);
    assert.ok(bytes.toString("latin1").includes("TRAILER!!!\0"));
  });

  it("comes back as it went in, at every length, padded to whole blocks", () => {
    const name = fc.stringMatching(/^[a-z0-9 ._-]{1,12}$/).filter((text) => text !== "." && text !== "..");
    const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
    const entry: fc.Arbitrary<CpioEntry> = fc.oneof(
      fc.record({
        kind: fc.constant("file" as const),
        path,
        mode: fc.nat(0o7777),
        content: fc.uint8Array({ maxLength: 40 }),
      }),
      fc.record({ kind: fc.constant("directory" as const), path, mode: fc.nat(0o777) }),
      fc.record({
        kind: fc.constant("symlink" as const),
        path,
        target: fc.stringMatching(/^[a-z/.]{1,20}$/),
      }),
    );
    const entries = fc
      .uniqueArray(entry, { selector: ({ path }) => path, maxLength: 12 })
      .filter((list) =>
        list.every(
          ({ path, kind }) => kind === "directory" || !list.some((e) => e.path.startsWith(`${path}/`)),
        ),
      );
    fc.assert(
      fc.property(entries, (list) => {
        const archive = newcArchive(list);
        assert.equal(archive.length % 512, 0);
        assert.deepEqual(Buffer.from(newcArchive(list)), Buffer.from(archive));
        const read = readArchive(archive);
        const byPath = new Map(read.map((one) => [one.path, one]));
        assert.equal(byPath.size, read.length);
        for (const one of list) assert.deepEqual(byPath.get(one.path), normalised(one));
        // What was not asked for is a parent, and every parent comes before what it holds.
        const asked = new Set(list.map(({ path }) => path));
        const seen = new Set([""]);
        for (const one of read) {
          assert.ok(seen.has(one.path.slice(0, one.path.lastIndexOf("/"))), one.path);
          seen.add(one.path);
          if (!asked.has(one.path)) assert.deepEqual(one, { kind: "directory", path: one.path, mode: 0o755 });
        }
      }),
      { numRuns: 200 },
    );
  });

  it("refuses paths that would land elsewhere, and contradictions", () => {
    const file = (path: string): CpioEntry => ({
      kind: "file",
      path,
      mode: 0o644,
      content: new Uint8Array(),
    });
    for (const path of [
      "",
      "/",
      "etc/hosts",
      "/etc/../shadow",
      "/..",
      "/.",
      "/a//b",
      "/a/",
      "/a\0b",
      "../a",
    ]) {
      assert.throws(() => newcArchive([file(path)]), AppError, JSON.stringify(path));
    }
    assert.throws(() => newcArchive([file("/a"), file("/a")]), /twice in one archive: \/a/);
    assert.throws(() => newcArchive([file("/a"), file("/a/b")]), /\/a\/b lies in \/a, which is no directory/);
    assert.throws(() => newcArchive([file("/a/b"), file("/a")]), /no directory/);
  });
});

function normalised(entry: CpioEntry): CpioEntry {
  return entry.kind === "file" ? { ...entry, content: Uint8Array.from(entry.content) } : { ...entry };
}
