import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import {
  bootLab,
  command,
  eventually,
  imageStore,
  machineBefore,
  namespaceInode,
  tracesOf,
} from "../support/boot-lab.ts";

const { lab, name, paths } = bootLab();
const machine = machineBefore();
const upWords = ["lab", "up", "--name", name, "--image-store", imageStore];

after(() => lab("down"));

/** Stages of `lab up` as they show from outside; each later than the one before. */
const stages: readonly { stage: string; reached: (said: string) => boolean }[] = [
  { stage: "its directory is there", reached: () => existsSync(paths.directory) },
  { stage: "its namespace is there", reached: () => existsSync(`/run/netns/${paths.namespace}`) },
  { stage: "its head comes up", reached: () => existsSync(paths.headLog) },
  { stage: "its head serves", reached: (said) => said.includes("the head serves") },
  { stage: "its first machine is on", reached: () => existsSync(`${paths.directory}/n001.qmp`) },
  { stage: "its machines boot", reached: (said) => said.includes("n002 (uefi)") },
];

/** Starts `lab up` as a terminal does, in a process group of its own, and comes back at a stage. */
async function upUntil({ stage, reached }: (typeof stages)[number]) {
  const child = execa(command, [...upWords, "--keep"], { reject: false, detached: true, stdin: "ignore" });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const deadline = performance.now() + 60_000;
  while (!reached(said)) {
    if (performance.now() > deadline) throw new Error(`not reached: ${stage}\n${said}`);
    await delay(5);
  }
  const inode = namespaceInode(paths);
  const signal = (kind: NodeJS.Signals): void => {
    if (child.pid !== undefined) process.kill(-child.pid, kind);
  };
  return { child, inode, signal };
}

for (const stage of stages) {
  test(`Ctrl-C when ${stage.stage} removes everything`, async () => {
    const { child, inode, signal } = await upUntil(stage);
    signal("SIGINT");
    const { exitCode, stderr } = await child;
    assert.equal(exitCode, 130, stderr);
    assert.match(stderr, /interrupted/);
    assert.deepEqual(tracesOf(paths, machine, inode), []);
  });
}

test("lab down removes what a lab up left that was killed, at any stage", async () => {
  for (const stage of stages) {
    const { child, signal } = await upUntil(stage);
    signal("SIGKILL");
    await child;
    const inode = namespaceInode(paths);
    const again = await lab("up", "--image-store", imageStore);
    assert.equal(again.exitCode, 1, stage.stage);
    assert.match(again.stderr, /remains of a lab|already up/);
    assert.match(again.stderr, new RegExp(`provision lab down --name ${name}`));
    assert.equal((await lab("down")).exitCode, 0);
    assert.deepEqual(tracesOf(paths, machine, inode), [], stage.stage);
  }
});

test("lab down from another terminal ends a lab up that is at it", async () => {
  const last = stages.at(-1);
  assert.ok(last !== undefined);
  const { child, inode } = await upUntil(last);
  assert.equal((await lab("down")).exitCode, 0);
  assert.equal((await child).exitCode, 130);
  assert.deepEqual(tracesOf(paths, machine, inode), []);
});

test("a lab whose nodes do not come up in time says where they stand and is removed", async () => {
  const words = ["--nodes", "1", "--timeout", "3", "--image-store", imageStore];
  const failed = await lab("up", ...words);
  assert.equal(failed.exitCode, 1);
  assert.match(failed.stderr, /n001 did not come up within 3 s\n {2}n001: stands at (?!up)\w+/);
  assert.match(failed.stderr, /--keep/);
  assert.deepEqual(tracesOf(paths, machine), []);
});

test("with --keep it stays, its console can be read, and down removes it", async () => {
  const failed = await lab("up", "--nodes", "1", "--timeout", "3", "--keep", "--image-store", imageStore);
  assert.equal(failed.exitCode, 1);
  const inode = namespaceInode(paths);
  const { stdout } = await lab("status", "--json");
  assert.match(stdout, /"head": "running"/);
  const watched = execa(command, ["lab", "console", "--name", name, "n001"], { reject: false });
  let seen = "";
  watched.stdout?.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  await eventually("iPXE is on the console", 60, () => Promise.resolve(/iPXE/.test(seen) ? true : undefined));
  watched.stdin?.write("\u001D");
  assert.equal((await watched).exitCode, 0);
  assert.equal((await lab("down")).exitCode, 0);
  assert.deepEqual(tracesOf(paths, machine, inode), []);
});

test("everything that is wrong is told before anything is made", async () => {
  const wrong = await lab("up", "--image", "no-such-image", "--nodes", "90", "--memory", "500000");
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.stderr, /image: there is no no-such-image in [^]*memory: 90 machines of 500000 MiB/);
  assert.deepEqual(tracesOf(paths, machine), []);
  for (const words of [
    ["up", "--firmware", "coreboot"],
    ["up", "--nodes", "two"],
    ["power", "n001", "maybe"],
  ]) {
    assert.equal((await lab(words[0] ?? "", ...words.slice(1))).exitCode, 2, words.join(" "));
  }
  for (const words of [["status"], ["console", "n001"], ["ssh", "n001"], ["power", "n001", "off"]]) {
    const { exitCode, stderr } = await lab(words[0] ?? "", ...words.slice(1));
    assert.equal(exitCode, 1, words.join(" "));
    assert.match(stderr, /no lab called/);
  }
});
