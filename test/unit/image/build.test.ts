import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { AppError } from "../../../server/lib/errors.ts";
import { silentLog } from "../../../server/lib/log.ts";
import { type BuildOptions, type BuildResult, buildImage } from "../../../server/image/build.ts";
import { readDefinition } from "../../../server/image/definition.ts";
import { mmdebstrapArguments } from "../../../server/image/mmdebstrap.ts";
import { elfArchitecture } from "../../../server/image/node-binary.ts";
import type { BuildProgress } from "../../../server/image/progress.ts";

const directory = mkdtempSync(path.join(tmpdir(), "provision build-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const epoch = 1_767_225_600;
const definitionText = `name: tiny
suite: trixie
components: [main]
architectures: [amd64]
sourceDateEpoch: ${epoch}
variant: essential
packages: [systemd]
packagesByArchitecture:
  amd64: [linux-image-amd64]
kernelArguments: [quiet]
dracut:
  modules: [nfs]
  drivers: [e1000]
`;

/** Makes a tiny tree where mmdebstrap would make a large one, and says the same. */
const tinyTree = `
for root; do :; done
here=$(dirname "$0")
echo "run $*" >> "$here/calls"
env | sort > "$here/environment"
echo "I: running apt-get update..." >&2
mkdir -p "$root/boot" "$root/usr/lib/modules/6.12.1-amd64" "$root/var/lib/dpkg" "$root/etc"
echo kernel > "$root/boot/vmlinuz"
echo initrd > "$root/boot/initrd.img"
ln "$root/boot/vmlinuz" "$root/boot/vmlinuz-again"
ln -s usr/lib "$root/lib"
ln -s /proc/self/fd "$root/etc/fd"
printf 'Package: bash\\nStatus: install ok installed\\nVersion: 5.2\\n\\n' > "$root/var/lib/dpkg/status"
echo "I: installing remaining packages inside the chroot..." >&2
`;

let bench: { bin: string; definition: string; store: string; node: string };
let benches = 0;

beforeEach(() => {
  benches += 1;
  const place = path.join(directory, `${benches}`);
  bench = {
    bin: path.join(place, "bin"),
    definition: path.join(place, "it's an image"),
    store: path.join(place, "store"),
    node: path.join(place, "node"),
  };
  mkdirSync(bench.bin, { recursive: true });
  mkdirSync(bench.definition);
  writeFileSync(path.join(bench.definition, "image.yaml"), definitionText);
  writeFileSync(path.join(bench.definition, "customize.sh"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(bench.node, elfHeader(62));
  mmdebstrapThat(tinyTree);
});

function elfHeader(machine: number): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes[18] = machine;
  return bytes;
}

function mmdebstrapThat(script: string): void {
  writeFileSync(path.join(bench.bin, "mmdebstrap"), `#!/bin/bash\n${script}`, { mode: 0o755 });
}

function build(changes: Partial<BuildOptions> = {}): Promise<BuildResult> {
  return buildImage({
    definitionDirectory: bench.definition,
    store: bench.store,
    nodeBinary: bench.node,
    architecture: "amd64",
    force: false,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    log: silentLog,
    environment: {
      PATH: `${bench.bin}:/usr/bin:/bin`,
      SECRET: "of the builder",
      http_proxy: "http://proxy:3128",
    },
    isolated: false,
    ...changes,
  });
}

const calls = (): number => {
  const file = path.join(bench.bin, "calls");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").length : 0;
};
const leftovers = (): string[] => readdirSync(bench.store).filter((name) => name.startsWith("."));

describe("build of an image", () => {
  it("makes a complete version and the current one of it", async () => {
    const { version, cached } = await build();
    assert.equal(cached, false);
    assert.match(version.version, /^\d{8}-[0-9a-f]{8}$/);
    assert.equal(version.version.slice(9), version.inputsDigest.slice(0, 8));
    assert.equal(version.current, true);
    assert.equal(version.kernelVersion, "6.12.1-amd64");
    assert.deepEqual(version.kernelArguments, ["quiet"]);
    assert.equal(readFileSync(version.kernel, "utf8"), "kernel\n");
    assert.equal(readFileSync(version.initrd, "utf8"), "initrd\n");
    assert.equal(readlinkSync(path.join(bench.store, "tiny/current")), version.version);
    const manifest = JSON.parse(readFileSync(path.join(version.root, "../manifest.json"), "utf8"));
    assert.deepEqual(manifest.packages, { bash: "5.2" });
    assert.match(manifest.rootDigest, /^[0-9a-f]{64}$/);
    assert.match(manifest.node.sha256, /^[0-9a-f]{64}$/);
    // The kernel has two names and counts once; links are not followed.
    assert.equal(version.bytes, 7 + 7 + statSync(path.join(version.root, "var/lib/dpkg/status")).size);
    assert.deepEqual(leftovers(), []);
  });

  it("leaves directories that everybody may enter and only their owner change", async () => {
    const { version } = await build();
    for (const place of [
      bench.store,
      path.join(version.root, "../.."),
      path.join(version.root, ".."),
      version.root,
    ]) {
      assert.equal(statSync(place).mode & 0o777, 0o755, place);
    }
  });

  it("gives mmdebstrap the definition, and nothing of the builder's environment", async () => {
    await build();
    const environment = readFileSync(path.join(bench.bin, "environment"), "utf8");
    assert.match(environment, /^SOURCE_DATE_EPOCH=1767225600$/m);
    assert.match(environment, /^DRACUT_DRIVERS=e1000$/m);
    assert.match(environment, /^http_proxy=/m);
    assert.ok(environment.includes(`NODE_BINARY=${bench.node}\n`));
    assert.doesNotMatch(environment, /SECRET/);
    const args = mmdebstrapArguments({
      definition: readDefinition(bench.definition),
      definitionDirectory: bench.definition,
      architecture: "amd64",
      root: "/store/rootfs",
    });
    assert.ok(args.includes("--include=systemd,linux-image-amd64"));
    assert.ok(
      args.includes(`--customize-hook='${bench.definition.replace("'", `'\\''`)}/customize.sh' "$1"`),
    );
    assert.deepEqual(args.slice(-2), ["trixie", "/store/rootfs"]);
  });

  it("does nothing when nothing has changed", async () => {
    const before = await build();
    const after = await build();
    assert.equal(after.cached, true);
    assert.deepEqual(after.version, before.version);
    assert.equal(calls(), 1);
  });

  it("makes a version current again whose inputs are back", async () => {
    const before = await build();
    writeFileSync(path.join(bench.definition, "extra"), "1");
    const other = await build();
    assert.notEqual(other.version.version, before.version.version);
    rmSync(path.join(bench.definition, "extra"));
    const back = await build();
    assert.equal(back.cached, true);
    assert.equal(back.version.current, true);
    assert.equal(readlinkSync(path.join(bench.store, "tiny/current")), before.version.version);
  });

  it("is made anew when told so, with the same root from the same packages", async () => {
    const before = await build();
    const after = await build({ force: true });
    assert.equal(after.cached, false);
    assert.equal(after.version.version, `${before.version.version}.2`);
    assert.equal(calls(), 2);
    const digestOf = ({ version }: BuildResult): string =>
      JSON.parse(readFileSync(path.join(version.root, "../manifest.json"), "utf8")).rootDigest;
    assert.equal(digestOf(after), digestOf(before));
  });

  it("leaves no file younger than the definition says", async () => {
    const { version } = await build();
    for (const place of [".", "etc", "boot/vmlinuz", "var/lib/dpkg/status"]) {
      assert.equal(statSync(path.join(version.root, place)).mtimeMs, epoch * 1000, place);
    }
  });

  it("tells how far it is", async () => {
    const seen: BuildProgress[] = [];
    await build({ onProgress: (progress) => seen.push(progress) });
    assert.deepEqual(
      seen.map(({ percent }) => percent),
      [0, 1, 32, 94, 99],
    );
    assert.equal(seen[1]?.phase, "reading package lists");
  });
});

describe("inputs of an image", () => {
  const digestAfter = async (change: () => void): Promise<string> => {
    change();
    return (await build({ force: true })).version.inputsDigest;
  };

  it("are contents, names and modes of the definition, and the runtime", async () => {
    const script = path.join(bench.definition, "customize.sh");
    const digests = [
      await digestAfter(() => undefined),
      await digestAfter(() => writeFileSync(script, "#!/bin/sh\n:\n")),
      await digestAfter(() => writeFileSync(path.join(bench.definition, "helper"), "", { mode: 0o644 })),
      await digestAfter(() => chmodSync(path.join(bench.definition, "helper"), 0o755)),
      await digestAfter(() => writeFileSync(path.join(bench.definition, "new"), "")),
      await digestAfter(() => writeFileSync(bench.node, Buffer.concat([elfHeader(62), Buffer.from("26.1")]))),
    ];
    assert.equal(new Set(digests).size, digests.length);
  });

  it("are neither owner, umask nor place of the checkout", async () => {
    const before = await digestAfter(() => undefined);
    chmodSync(path.join(bench.definition, "image.yaml"), 0o600);
    const copy = path.join(directory, `${benches}/copy`);
    cpSync(bench.definition, copy, { recursive: true });
    const { version } = await build({ definitionDirectory: copy });
    assert.equal(version.inputsDigest, before);
  });
});

describe("build that fails", () => {
  it("says mmdebstrap's last words and what to do, and leaves nothing but its log", async () => {
    const before = await build();
    mmdebstrapThat(`for root; do :; done; mkdir -p "$root/etc"
      for i in $(seq 30); do echo "line $i"; done; echo "E: Unable to locate package no-such" >&2; exit 100`);
    await assert.rejects(build({ force: true }), (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, "environment");
      assert.match(error.message, /exit status 100/);
      assert.match(error.message, /line 30\n {2}E: Unable to locate package no-such$/);
      assert.doesNotMatch(error.message, /line 5\n/);
      assert.match(error.hint ?? "", /image\.yaml names a package.*build\.log/);
      return true;
    });
    assert.deepEqual(leftovers(), []);
    assert.match(readFileSync(path.join(bench.store, "tiny/build.log"), "utf8"), /^line 1\n/);
    assert.equal(readlinkSync(path.join(bench.store, "tiny/current")), before.version.version);
    const again = await build();
    assert.equal(again.cached, true);
  });

  it("names the package when mmdebstrap is not installed", async () => {
    rmSync(path.join(bench.bin, "mmdebstrap"));
    const empty = path.join(directory, "empty");
    mkdirSync(empty, { recursive: true });
    await assert.rejects(build({ environment: { PATH: empty } }), (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.hint, "apt-get install mmdebstrap");
      return true;
    });
    assert.deepEqual(leftovers(), []);
  });

  it("refuses a tree without a kernel", async () => {
    mmdebstrapThat(`${tinyTree}\nrm "$root/boot/vmlinuz"`);
    await assert.rejects(build(), /no \/boot\/vmlinuz/);
    mmdebstrapThat(`${tinyTree}\nmkdir "$root/usr/lib/modules/6.13"`);
    await assert.rejects(build(), /one kernel, and has 2/);
    assert.deepEqual(leftovers(), []);
  });

  it("refuses a runtime for another machine, and an architecture that the definition has not", async () => {
    writeFileSync(bench.node, elfHeader(183));
    await assert.rejects(build(), /no program for amd64 but for arm64/);
    writeFileSync(bench.node, "#!/bin/sh\n");
    await assert.rejects(build(), /no program for amd64/);
    await assert.rejects(build({ nodeBinary: "/nowhere/node" }), /cannot read the Node binary/);
    await assert.rejects(build({ architecture: "arm64" }), /not made for arm64/);
    assert.equal(elfArchitecture(new Uint8Array(3)), undefined);
    assert.equal(calls(), 0);
  });

  it("refuses a definition that changes meanwhile", async () => {
    mmdebstrapThat(`${tinyTree}\necho more >> "$here/../it's an image/customize.sh"`);
    await assert.rejects(build(), (error) => error instanceof AppError && error.code === "conflict");
    assert.deepEqual(leftovers(), []);
  });

  it("refuses a definition whose script is missing or no program", async () => {
    const script = path.join(bench.definition, "customize.sh");
    rmSync(script);
    await assert.rejects(build(), (error) => error instanceof AppError && error.faults[0]?.place === script);
    assert.equal(calls(), 0);
  });

  it("refuses a malformed definition before anything is made", async () => {
    writeFileSync(path.join(bench.definition, "image.yaml"), "name: tiny\nsuite: [\n");
    await assert.rejects(build(), (error) => error instanceof AppError && error.code === "invalid");
    assert.equal(existsSync(bench.store), false);
  });
});

describe("build that is interrupted", () => {
  it("ends mmdebstrap and everything it started, and leaves nothing", async () => {
    mmdebstrapThat(`for root; do :; done; mkdir -p "$root/etc"; sleep 1000 & echo $! > "$(dirname "$0")/sleeper"
      echo "I: running apt-get update..."; wait`);
    const abort = new AbortController();
    const built = build({
      signal: abort.signal,
      onProgress: ({ percent }) => percent === 1 && abort.abort(),
    });
    await assert.rejects(built, (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, "unavailable");
      assert.match(error.message, /interrupted/);
      return true;
    });
    assert.deepEqual(leftovers(), []);
    const sleeper = readFileSync(path.join(bench.bin, "sleeper"), "utf8").trim();
    while (isRunning(sleeper)) await turn();
    assert.deepEqual(readdirSync(path.join(bench.store, "tiny")), ["build.log"]);
  });

  it("before it began does not begin", async () => {
    await assert.rejects(build({ signal: AbortSignal.abort() }), /interrupted/);
    assert.deepEqual(leftovers(), []);
  });

  it("while the tree is sealed leaves nothing either", async () => {
    const abort = new AbortController();
    const built = build({
      signal: abort.signal,
      onProgress: ({ percent }) => percent === 94 && abort.abort(),
    });
    await assert.rejects(built, /interrupted/);
    assert.deepEqual(leftovers(), []);
    assert.equal(existsSync(path.join(bench.store, "tiny/current")), false);
  });
});

describe("what dead builders have left", () => {
  const building = (name: string): string => {
    const place = path.join(bench.store, name);
    mkdirSync(path.join(place, "rootfs/etc"), { recursive: true });
    return place;
  };
  const ownTicks = (): number =>
    Number(readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ")[19]);

  it("is removed by the next build", async () => {
    const gone = building(".building-4194305-1");
    const numberUsedAgain = building(`.building-${process.pid}-${ownTicks() - 1}`);
    await build();
    assert.equal(existsSync(gone), false);
    assert.equal(existsSync(numberUsedAgain), false);
  });

  it("is told from what a living builder is at", async () => {
    const alive = building(`.building-${process.pid}-${ownTicks()}`);
    await assert.rejects(build(), (error) => error instanceof AppError && error.code === "conflict");
    assert.ok(existsSync(alive));
  });
});

function isRunning(pid: string): boolean {
  return existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
