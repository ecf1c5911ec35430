import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import type { EventsAnswer, NodesAnswer, WhyAnswer } from "../../server/model/answers.ts";
import {
  bootLab,
  checkout,
  eventually,
  expectSuccess,
  machineBefore,
  namespaceInode,
  tracesOf,
} from "../support/boot-lab.ts";
import { type BrokenImages, brokenImages, removeOldStores } from "../support/broken-images.ts";

/** One rack for all: two nodes are booted once, and everything is asked of them in the order of this file. */
const { lab, on, json, provision, status, paths } = bootLab();
const nodes = [
  { name: "n001", ip: "10.77.0.11", mac: "52:54:00:77:00:01", firmware: "bios" },
  { name: "n002", ip: "10.77.0.12", mac: "52:54:00:77:00:02", firmware: "uefi" },
];
const machine = machineBefore();
let images: BrokenImages | undefined;
let inode: number | undefined;

before(
  async () => {
    removeOldStores();
    images = await brokenImages();
    expectSuccess(
      await lab(
        "up",
        "--nodes",
        "2",
        "--firmware",
        "bios,uefi",
        "--image-store",
        images.store,
        "--timeout",
        "480",
      ),
      ["lab up"],
    );
    inode = namespaceInode(paths);
  },
  { timeout: 540_000 },
);

after(async () => {
  await lab("down");
  images?.remove();
});

const why = (subject: string): Promise<WhyAnswer> => json("why", subject);

async function phaseOf(node: string): Promise<string | undefined> {
  const answer = await json<NodesAnswer>("list-nodes", node);
  return answer.nodes[0]?.phase;
}

/** What to print when a node does not do what it should. */
const story = async (subject: string): Promise<string> => (await provision("why", subject)).stdout;

function waitForPhase(node: string, seconds: number, ...phases: string[]): Promise<string> {
  return eventually(
    `${node} is ${phases.join(" or ")}`,
    seconds,
    async () => {
      const phase = await phaseOf(node);
      return phase !== undefined && phases.includes(phase) ? phase : undefined;
    },
    () => story(node),
  );
}

test("a machine with BIOS and one with UEFI are up within five minutes", async (t) => {
  const answer = await status();
  assert.deepEqual(
    answer.nodes.map(({ name, firmware, state }) => ({ name, firmware, state })),
    nodes.map(({ name, firmware }) => ({ name, firmware, state: "up" })),
  );
  for (const { name, firmware, secondsToUp, phaseSeconds } of answer.nodes) {
    const phases = Object.entries(phaseSeconds).map(([phase, seconds]) => `${phase} ${seconds}`);
    t.diagnostic(`${name} (${firmware}, ${answer.accelerator}): ${phases.join(", ")}`);
    assert.ok(secondsToUp !== null && secondsToUp > 5 && secondsToUp < 300, `${name}: ${secondsToUp} s`);
  }
});

test("a lab that is up is not made twice", async () => {
  const second = await lab("up");
  assert.equal(second.exitCode, 1);
  assert.match(second.stderr, /already up[^]*provision lab down --name /);
});

test("root is NFS from the head, read-only, below an overlay in RAM", async () => {
  const script = [
    "findmnt -no FSTYPE /",
    "findmnt -nt nfs4 -o SOURCE,OPTIONS /run/rootfsbase",
    "df --output=fstype $(findmnt -no OPTIONS / | tr , '\\n' | sed -n s/upperdir=//p) | tail -1",
    "findmnt -no OPTIONS / | tr , '\\n' | sed -n s/lowerdir=//p",
    // What is written stays on the node: the image below is not written, even by a mount that would.
    "touch /etc/written-by-test && ls /etc/written-by-test",
    "mount -t nfs4 -o rw,vers=4.1 $(findmnt -nt nfs4 -o SOURCE /run/rootfsbase) /mnt",
    "touch /mnt/etc/written-by-test 2>&1; ls /mnt/etc/written-by-test 2>&1; umount /mnt",
  ];
  for (const { name } of nodes) {
    const [type, nfs = "", upper, lower, written, ...refused] = (await on(name, script.join("; "))).split(
      "\n",
    );
    assert.equal(type, "overlay");
    const [source = "", options = ""] = nfs.split(/ +/);
    assert.match(source, new RegExp(`^10\\.77\\.0\\.1:${images?.store}/debian-13/[^/]+/rootfs$`));
    for (const option of ["ro", "vers=4.1"]) assert.ok(options.split(",").includes(option), options);
    assert.equal(upper, "tmpfs");
    assert.equal(lower, "/run/rootfsbase");
    assert.equal(written, "/etc/written-by-test");
    assert.match(refused.join("\n"), /Read-only file system\n.*No such file/);
  }
});

test("hostname, hosts, machine identity and host keys are a node's own", async () => {
  const { nodes: known } = await json<NodesAnswer>("list-nodes");
  const seen = new Set<string>();
  const script = [
    "hostname",
    "cat /etc/machine-id",
    "ip -br -4 address show scope global | awk '{ print $3 }'",
    "cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub",
    "ls /etc/ssh/*_key",
    // The boot token came in there; nobody may find it afterwards.
    "test -e /provision && echo there || echo gone",
    "getent hosts n001 n002",
  ];
  for (const { name, ip } of nodes) {
    const node = known.find((candidate) => candidate.name === name);
    const lines = (await on(name, script.join("; "))).split("\n");
    const key = node?.sshHostKey.split(" ").slice(0, 2).join(" ");
    assert.deepEqual(lines.slice(0, 6), [
      name,
      node?.machineId,
      `${ip}/24`,
      key,
      "/etc/ssh/ssh_host_ed25519_key",
      "gone",
    ]);
    for (const [index, other] of nodes.entries()) {
      assert.deepEqual((lines[6 + index] ?? "").split(/\s+/), [
        other.ip,
        `${other.name}.lab.lan`,
        other.name,
      ]);
    }
    for (const value of lines.slice(0, 4)) seen.add(value);
  }
  assert.equal(seen.size, 4 * nodes.length, "no two nodes have any of these in common");
});

test("/shared is one directory for all: what one node writes, the other reads", async () => {
  const options = await on("n001", "findmnt -nt nfs4 -o OPTIONS /shared");
  for (const option of ["rw", "nosuid", "nodev"])
    assert.ok(options.trim().split(",").includes(option), options);
  const sum = await on(
    "n001",
    "head -c 3000000 /dev/urandom >/shared/blob && sync /shared/blob && sha256sum </shared/blob",
  );
  assert.equal(await on("n002", "sha256sum </shared/blob && echo back >/shared/answer"), sum);
  assert.equal(await on("n001", "cat /shared/answer"), "back");
});

test("the agent is a service that runs, and nothing on the node has failed", async () => {
  const script =
    "systemctl is-active provision-agent; systemctl is-enabled provision-agent; systemctl --failed --plain --no-legend";
  for (const { name } of nodes) assert.equal(await on(name, script), "active\nenabled");
});

test("list-nodes shows processor, memory, ports and the last heartbeat", async () => {
  const askedAtMs = Date.now();
  const answer = await json<NodesAnswer>("list-nodes");
  for (const { name, mac, firmware } of nodes) {
    const node = answer.nodes.find((candidate) => candidate.name === name);
    const hardware = node?.hardware;
    assert.ok(node !== undefined && hardware !== undefined, `${name} has told its hardware`);
    assert.equal(node.phase, "up");
    assert.ok(Math.abs(askedAtMs - (node.lastHeartbeatMs ?? 0)) < 10_000, "a heartbeat of the last 10 s");
    assert.equal(hardware.firmware, firmware);
    assert.equal(hardware.cpu.threads, 1);
    assert.ok(hardware.memoryBytes > 400 * 2 ** 20 && hardware.memoryBytes < 512 * 2 ** 20);
    assert.deepEqual(
      hardware.nics.map((nic) => ({ mac: nic.mac, driver: nic.driver, linkUp: nic.linkUp })),
      [{ mac, driver: "virtio_net", linkUp: true }],
    );
    assert.deepEqual(hardware.disks, []);
  }
  const table = (await provision("list-nodes")).stdout;
  for (const { name } of nodes) assert.match(table, new RegExp(`^${name} +up +.*MiB.*s ago$`, "m"));
});

test("why says of a healthy node that it is up, with every step of its boot", async () => {
  for (const { name, firmware } of nodes) {
    const answer = await why(name);
    assert.equal(answer.phase, "up");
    assert.match(answer.summary, new RegExp(`^${name} is up: it booted in .* ago; last heard`));
    // A BIOS machine's card has iPXE in its ROM and needs no other loader.
    const steps = answer.steps.filter(({ step }) => step !== "loader" || firmware === "uefi");
    for (const step of steps) assert.equal(step.state, "done", `${name}: ${step.step}`);
    assert.deepEqual(answer.findings, []);
  }
});

test("the kernel's NFS server does on a node what it should do on a head", async (t) => {
  const bundle = await build({
    entryPoints: [join(checkout, "test/support/kernel-nfs-driver.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    write: false,
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
  });
  const file = join(paths.shared, "kernel-nfs-driver.mjs");
  writeFileSync(file, bundle.outputFiles[0]?.contents ?? "");
  chmodSync(file, 0o644);
  // The kernel exports no overlay, and all of its exports hang below the root directory: the head that is tried gets one
  // in RAM with the node's directories in it, in a mount namespace of its own.
  const script = `unshare --mount sh <<'END'
    set -e; root=/run/nfs-root; mkdir $root; mount -t tmpfs nfs-root $root
    for each in usr etc proc sys dev run var tmp shared; do mkdir $root/$each; mount --rbind /$each $root/$each; done
    for each in bin sbin lib lib64; do ln -s usr/$each $root/$each; done
    chroot $root node /shared/kernel-nfs-driver.mjs
END`;
  const output = await on("n001", script);
  const last = output.trim().split("\n").at(-1) ?? "";
  t.diagnostic(last);
  assert.equal((JSON.parse(last) as { passed?: boolean }).passed, true, output);
});

test("a machine that is nobody's waits, why says so, and it boots once it is added, over a head that is killed", async () => {
  const added = expectSuccess(await lab("add", "x1", "--stranger", "--firmware", "uefi"), ["lab add"]);
  const mac = /[0-9a-f:]{17}$/.exec(added.stdout.trim())?.[0] ?? "";
  const answer = await eventually(
    "the stranger waits in its loader",
    120,
    async () => {
      const said = await provision("why", mac, "--json");
      if (said.exitCode !== 0) return undefined;
      const parsed = JSON.parse(said.stdout) as WhyAnswer;
      return /waits in its loader/.test(parsed.summary) ? parsed : undefined;
    },
    () => story(mac),
  );
  assert.match(answer.summary, new RegExp(`^${mac} is not in the inventory`));
  assert.match(answer.tryNext.join("\n"), /provision add-node \S+ --from-discovered/);
  expectSuccess(await provision("add-node", "n003", "--ip", "10.77.0.13", "--from-discovered", mac), [
    "add-node",
  ]);

  await waitForPhase("n003", 60, "kernel", "initrd", "overlay", "starting");
  expectSuccess(await lab("head", "kill"), ["head kill"]);
  assert.equal((await status()).head, "stopped");
  // Files that nobody has read yet, so that they are not in the node's memory.
  for (const { name } of nodes) {
    assert.match(
      await on(name, "cat /usr/share/pci.ids | wc -c; ls /usr/lib/modules/*/kernel | wc -l"),
      /^\d+\n\d+$/,
    );
  }
  expectSuccess(await lab("head", "start"), ["head start"]);
  await waitForPhase("n003", 240, "up");
  assert.equal(await on("n003", "hostname; cat /shared/answer"), "n003\nback");
  for (const { name } of nodes) assert.equal(await phaseOf(name), "up");
  await lab("power", "x1", "off");
});

test("a node added while the head runs is served a second later; why says that its kernel is missing", async () => {
  const mac = "52:54:00:77:00:04";
  expectSuccess(
    await provision("add-node", "n004", "--mac", mac, "--ip", "10.77.0.14", "--image", "no-kernel"),
    ["add-node"],
  );
  const addedAtMs = Date.now();
  expectSuccess(await lab("add", "m4", "--stranger"), ["lab add"]);
  const answer = await eventually(
    "why n004 tells of the kernel",
    90,
    async () => {
      const said = await why("n004");
      return said.findings.some((finding) => /kernel .*vmlinuz is missing/.test(finding)) &&
        said.steps.some(({ step, state }) => step === "script" && state === "done")
        ? said
        : undefined;
    },
    () => story("n004"),
  );
  assert.match(`${answer.summary} ${answer.findings.join(" ")}`, /kernel/);
  assert.match(answer.tryNext.join("\n"), /provision build-image no-kernel --force/);
  const { events } = await json<EventsAnswer>("events", "n004");
  const offered = events.find(({ kind }) => kind === "offered");
  assert.ok(offered !== undefined && offered.atMs > addedAtMs);
  assert.equal(offered.kind === "offered" && offered.ip, "10.77.0.14");
});

test("why tells of an NFS export that is gone, and the node comes up by itself when it is back", async () => {
  images?.takeRootAway();
  expectSuccess(await provision("set-node", "n004", "--image", "no-root"), ["set-node"]);
  const answer = await eventually(
    "why n004 tells of the root",
    180,
    async () => {
      const said = await why("n004");
      const tried =
        said.phase === "failed" ||
        said.steps.some(({ step, state }) => step === "starting" && state === "done");
      return tried && said.findings.some((finding) => /root file system .* is missing/.test(finding))
        ? said
        : undefined;
    },
    () => story("n004"),
  );
  assert.notEqual(answer.phase, "up");
  images?.putRootBack();
  await waitForPhase("n004", 300, "up");
  await lab("power", "m4", "off");
});

test("a node whose power is cut is lost within ten seconds, and why says what that may be", async (t) => {
  const cutAtMs = Date.now();
  expectSuccess(await lab("power", "n002", "off"), ["power off"]);
  await waitForPhase("n002", 12, "lost");
  const { events } = await json<EventsAnswer>("events", "n002");
  const lost = events.findLast(({ kind }) => kind === "lost");
  assert.ok(lost !== undefined);
  t.diagnostic(`lost ${((lost.atMs - cutAtMs) / 1000).toFixed(1)} s after the power was cut`);
  assert.ok(lost.atMs - cutAtMs <= 10_000, `${lost.atMs - cutAtMs} ms`);
  assert.match((await why("n002")).summary, /silent since .*powered off/);
  assert.equal((await status()).nodes.find(({ name }) => name === "n002")?.state, "off");
});

test("lab down leaves no process, namespace, interface, mount or file", async () => {
  expectSuccess(await lab("down"), ["lab down"]);
  assert.deepEqual(tracesOf(paths, machine, inode), []);
  const again = await lab("down");
  assert.equal(again.exitCode, 0);
  assert.match(again.stdout, /there is no lab/);
});
