import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { failureHint, lastWords } from "../../../server/image/failure.ts";
import { installedPackages } from "../../../server/image/packages.ts";
import { type BuildProgress, createProgressReader } from "../../../server/image/progress.ts";

/** As mmdebstrap 1.3.5 says it, with --verbose and without most of it. */
const transcript = `I: chroot architecture amd64 is equal to the host's architecture
I: running apt-get update...
Get:1 http://archive/debian trixie InRelease [140 kB]
I: downloading packages with apt...
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://archive/debian trixie/main amd64 libc6 amd64 2.41 [2800 kB]
Get:2 http://archive/debian trixie/main amd64 bash amd64 5.2 [1500 kB]
I: extracting archives...
I: installing essential packages...
Unpacking libc6:amd64 (2.41) ...
Setting up libc6:amd64 (2.41) ...
Unpacking bash (5.2) ...
Setting up bash (5.2) ...
I: installing remaining packages inside the chroot...
0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.
Get:1 http://archive/debian trixie/main amd64 udev amd64 257 [1500 kB]
Unpacking udev (257) ...
Setting up udev (257) ...
I: running --customize-hook in shell: sh -c '/x/customize.sh "$1"' exec /store/root
I: cleaning package lists and apt cache...
I: success in 49.3 seconds`;

function progressOf(lines: readonly string[]): BuildProgress[] {
  const read = createProgressReader();
  return lines.flatMap((line) => read(line) ?? []);
}

describe("progress of a build", () => {
  it("is read from what mmdebstrap says", () => {
    assert.deepEqual(
      progressOf(transcript.split("\n")).map(({ phase, percent }) => `${percent} ${phase}`),
      [
        "1 reading package lists",
        "6 downloading the base system",
        "8 downloading the base system",
        "10 downloading the base system",
        "10 unpacking the base system",
        "13 installing the base system",
        "17 installing the base system",
        "22 installing the base system",
        "27 installing the base system",
        "32 installing the base system",
        "32 installing packages",
        "44 installing packages",
        "56 installing packages",
        "68 installing packages",
        "68 making the initrd",
        "93 cleaning up",
      ],
    );
  });

  it("never goes backwards, whatever comes", () => {
    const line = fc.oneof(fc.constantFrom(...transcript.split("\n")), fc.string());
    fc.assert(
      fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
        let last = 0;
        for (const { percent } of progressOf(lines)) {
          assert.ok(percent >= last && percent <= 94);
          last = percent;
        }
      }),
    );
  });
});

describe("a failed build", () => {
  it("says what to do, for the usual causes", () => {
    const hintOf = (line: string): string => failureHint([line]) ?? "";
    assert.match(hintOf("W: Temporary failure resolving 'archive'"), /network/);
    assert.match(hintOf("E: Unable to locate package no-such"), /image\.yaml/);
    assert.match(hintOf("dpkg: error: No space left on device"), /disk is full/);
    assert.match(hintOf("unshare: unshare failed: Operation not permitted"), /root/);
    assert.match(hintOf("W: GPG error: NO_PUBKEY 6ED0E7B82643E131"), /debian-archive-keyring/);
    assert.equal(failureHint(["E: something else"]), undefined);
  });

  it("shows its last lines", () => {
    const lines = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? `line ${index}` : ""));
    assert.equal(lastWords(lines).length, 15);
    assert.equal(lastWords(lines).at(-1), "line 38");
  });
});

describe("installed packages", () => {
  it("are those that dpkg has installed, by name", () => {
    const status = `Package: zlib1g
Status: install ok installed
Version: 1:1.3

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: bash
Status: install ok installed
Description: a shell
 Version: of no account
Version: 5.2-1
`;
    assert.deepEqual(installedPackages(status), { bash: "5.2-1", zlib1g: "1:1.3" });
    assert.deepEqual(Object.keys(installedPackages(status)), ["bash", "zlib1g"]);
    assert.deepEqual(installedPackages(""), {});
  });
});
