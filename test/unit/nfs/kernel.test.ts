import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { AppError } from "../../../server/lib/errors.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import { exportsOf } from "../../../server/nfs/exports.ts";
import { kernelBackend } from "../../../server/nfs/kernel.ts";

const directory = mkdtempSync(path.join(tmpdir(), "provision-kernel-nfs-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const exports = exportsOf({
  address: "10.0.1.1" as Ipv4,
  networks: [
    { subnet: { base: "10.0.1.0" as Ipv4, bits: 24 } },
    { subnet: { base: "10.0.2.0" as Ipv4, bits: 24 } },
  ],
  imageStore: "/srv/images",
  sharedDirectory: "/srv/shared",
  stateDirectory: "/var/lib/provision",
  ports: { dhcp: 67, bootServer: 4011, tftp: 69, http: 8080, nfs: 2049 },
});

let machines = 0;

/** A machine that records every command, and behaves as its kernel would. */
function machine(options: { loaded?: boolean; threads?: number; portlist?: string; failing?: string } = {}) {
  machines += 1;
  const control = path.join(directory, `nfsd-${machines}`);
  const state = path.join(directory, `state-${machines}`);
  const commands: string[] = [];
  const setThreads = (count: number): void => writeFileSync(path.join(control, "threads"), `${count}\n`);
  const load = (): void => {
    mkdirSync(control);
    writeFileSync(path.join(control, "portlist"), options.portlist ?? "");
    setThreads(options.threads ?? 0);
  };
  if (options.loaded !== false) load();
  const backend = kernelBackend({
    exports,
    directory: state,
    control,
    run: async ({ file, args }) => {
      const line = [file, ...args].join(" ");
      commands.push(line);
      if (options.failing !== undefined && line.startsWith(options.failing)) {
        return { exitCode: 1, output: "exportfs: /srv/images does not support NFS export\n" };
      }
      if (file === "mount") load();
      if (file === "rpc.nfsd") setThreads(Number(args.at(-1)));
      return { exitCode: 0, output: "" };
    },
  });
  return { backend, commands, setThreads, state };
}

const publish = [
  /^exportfs -o ro,\S+ 10\.0\.1\.0\/24:\/srv\/images$/,
  /^exportfs -o ro,\S+ 10\.0\.2\.0\/24:\/srv\/images$/,
  /^exportfs -o rw,\S+ 10\.0\.1\.0\/24:\/srv\/shared$/,
  /^exportfs -o rw,\S+ 10\.0\.2\.0\/24:\/srv\/shared$/,
];
const startThreads = "rpc.nfsd -N 3 -V 4 -H 10.0.1.1 -p 2049 -G 10 -L 10 16";

function assertCommands(actual: readonly string[], expected: readonly (string | RegExp)[]): void {
  assert.equal(actual.length, expected.length, actual.join("\n"));
  for (const [index, pattern] of expected.entries()) {
    if (typeof pattern === "string") assert.equal(actual[index], pattern);
    else assert.match(actual[index] ?? "", pattern);
  }
}

describe("the kernel's NFS server", () => {
  it("is loaded, told what to export and started, in this order", async () => {
    const { backend, commands } = machine({ loaded: false });
    await backend.prepare();
    assertCommands(commands, ["modprobe nfsd", "mount -t nfsd nfsd /proc/fs/nfsd", ...publish, startThreads]);
    assert.deepEqual(backend.command, { file: "rpc.mountd", args: ["-F", "-N", "3", "-V", "4", "-u"] });
  });

  it("trusts root for images only, and users of privileged ports only", async () => {
    const { backend, commands } = machine();
    await backend.prepare();
    const [images = "", , shared = ""] = commands;
    const optionsOf = (line: string): Set<string> => new Set((line.split(" ")[2] ?? "").split(","));
    for (const option of ["ro", "no_root_squash", "secure", "sec=sys", "subtree_check"]) {
      assert.ok(optionsOf(images).has(option), option);
    }
    for (const option of [
      "rw",
      "root_squash",
      "secure",
      "anonuid=65534",
      "anongid=65534",
      "no_subtree_check",
    ]) {
      assert.ok(optionsOf(shared).has(option), option);
    }
    const identities = [images, shared].map(
      (line) => /fsid=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/.exec(line)?.[1],
    );
    assert.equal(new Set(identities).size, 2);
    assert.ok(!identities.includes(undefined));
  });

  it("is stopped at the end, and nothing stays exported", async () => {
    const { backend, commands, state } = machine();
    await backend.prepare();
    commands.length = 0;
    await backend.release();
    assertCommands(commands, [
      "exportfs -u 10.0.1.0/24:/srv/images",
      "exportfs -u 10.0.2.0/24:/srv/images",
      "exportfs -u 10.0.1.0/24:/srv/shared",
      "exportfs -u 10.0.2.0/24:/srv/shared",
      "rpc.nfsd 0",
    ]);
    assert.equal(existsSync(path.join(state, "kernel-threads-are-ours")), false);
  });

  it("is only added to when somebody else runs it already", async () => {
    const { backend, commands } = machine({ threads: 8, portlist: "tcp 2049\ntcp 2049\n" });
    await backend.prepare();
    assertCommands(commands, publish);
    commands.length = 0;
    await backend.release();
    assert.ok(!commands.includes("rpc.nfsd 0"), "other people's server is stopped");
  });

  it("is refused when somebody else runs it on another port", async () => {
    const { backend } = machine({ threads: 8, portlist: "tcp 12049\n" });
    await assert.rejects(
      backend.prepare(),
      (error) => error instanceof AppError && error.code === "conflict",
    );
  });

  it("stays ours over a death of the head", async () => {
    const { backend, commands } = machine();
    await backend.prepare();
    commands.length = 0;
    await backend.prepare();
    assertCommands(commands, publish);
    commands.length = 0;
    await backend.release();
    assert.equal(commands.at(-1), "rpc.nfsd 0");
  });

  it("is put right when its threads or exports have gone", async () => {
    const { backend, commands, setThreads } = machine();
    await backend.prepare();
    setThreads(0);
    commands.length = 0;
    await backend.repair();
    assertCommands(commands, [...publish, startThreads]);
  });

  it("says which command failed, why, and what to do", async () => {
    const { backend } = machine({ failing: "exportfs -o ro" });
    await assert.rejects(backend.prepare(), (error) => {
      assert.ok(error instanceof AppError);
      assert.match(
        error.message,
        /^"exportfs -o ro,.*" failed: exportfs: \/srv\/images does not support NFS export$/,
      );
      assert.match(error.hint ?? "", /ganesha/);
      return true;
    });
  });
});
