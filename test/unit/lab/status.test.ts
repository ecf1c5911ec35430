import assert from "node:assert/strict";
import { test } from "node:test";
import { machineMac } from "../../../server/lab/addresses.ts";
import { newMachine } from "../../../server/lab/machines.ts";
import { labPaths } from "../../../server/lab/paths.ts";
import { identify } from "../../../server/system/processes.ts";
import { knownHosts, sshArguments } from "../../../server/lab/ssh.ts";
import { splitAtEscape } from "../../../server/lab/console.ts";
import type { ConnectHead, LabHead } from "../../../server/lab/head.ts";
import type { LabState } from "../../../server/lab/state.ts";
import { allUp, readStatus, secondsOfSteps, stepsDone } from "../../../server/lab/status.ts";
import { AppError } from "../../../server/lib/errors.ts";
import type { EventAnswer, NodeAnswer } from "../../../server/model/answers.ts";

const mac = machineMac(1);
const myself = identify(process.pid);
assert.ok(myself !== undefined);

const state: LabState = {
  version: 1,
  head: myself,
  accelerator: "tcg",
  acceleratorReason: "",
  memoryMiB: 512,
  cpus: 1,
  createdAtMs: 0,
  machines: [
    { ...newMachine(1, "bios"), process: myself, startedAtMs: 10_000 },
    { ...newMachine(2, "uefi"), startedAtMs: 10_000 },
    { ...newMachine(3, "uefi"), process: myself, startedAtMs: 10_000 },
  ],
};

const event = (kind: string, atMs: number, from = mac): EventAnswer =>
  ({ mac: from, kind, atMs }) as EventAnswer;

function headWith(nodes: readonly object[], events: readonly EventAnswer[]): ConnectHead {
  return () =>
    ({
      nodes: () => Promise.resolve({ nodes: nodes as readonly NodeAnswer[] }),
      events: () => Promise.resolve({ events }),
    }) as unknown as LabHead;
}

test("a machine's state is where the head sees it, off without QEMU, unregistered without a node", async () => {
  const nodes = [
    { name: "n001", macs: [mac], ip: "10.77.0.11", phase: "up" },
    { name: "n002", macs: [machineMac(2)], ip: "10.77.0.12", phase: "up" },
  ];
  const status = await readStatus(labPaths(""), state, headWith(nodes, [event("up", 74_500)]));
  assert.deepEqual(
    status.nodes.map(({ name, firmware, state: at, secondsToUp }) => ({ name, firmware, at, secondsToUp })),
    [
      { name: "n001", firmware: "bios", at: "up", secondsToUp: 64.5 },
      { name: "n002", firmware: "uefi", at: "off", secondsToUp: null },
      { name: "n003", firmware: "uefi", at: "unregistered", secondsToUp: null },
    ],
  );
  assert.equal(status.head, "running");
  assert.equal(allUp(status), false);
});

test("a head that does not answer, or does not run, leaves machines unwatched", async () => {
  const refusing: ConnectHead = () =>
    ({
      nodes: () => Promise.reject(new AppError("unavailable", "gone")),
      events: () => Promise.resolve({ events: [] }),
    }) as unknown as LabHead;
  for (const [at, connect] of [
    [state, refusing],
    [{ ...state, head: { ...myself, startTicks: 1 } }, headWith([], [])],
  ] as const) {
    const status = await readStatus(labPaths(""), at, connect);
    assert.equal(status.head, "stopped");
    assert.deepEqual(
      status.nodes.map((node) => node.state),
      ["unwatched", "off", "unwatched"],
    );
  }
});

test("a step's seconds are from the last power on to its first event of this machine", () => {
  const events = [
    event("up", 9000),
    event("offered", 12_000),
    event("offered", 13_000),
    event("kernel", 20_340),
    event("up", 11_000, machineMac(2)),
    event("refused", 30_000),
  ];
  assert.deepEqual(secondsOfSteps({ mac, startedAtMs: 10_000 }, events), { offered: 2, kernel: 10.3 });
  assert.equal(stepsDone("offered"), 1);
  assert.equal(stepsDone("up"), 9);
  assert.equal(stepsDone("lost"), 0);
  assert.equal(stepsDone("unregistered"), 0);
});

test("ssh takes the lab's key and only the host key that the inventory made", () => {
  const argv = sshArguments(labPaths("b"), "10.77.0.11", ["ls", "-l"]);
  assert.deepEqual(argv.slice(-4), ["root@10.77.0.11", "--", "ls", "-l"]);
  assert.ok(argv.includes("StrictHostKeyChecking=yes"));
  assert.ok(argv.includes("UserKnownHostsFile=/run/provision-lab-b/known_hosts"));
  assert.equal(sshArguments(labPaths("b"), "10.77.0.11", []).at(-1), "root@10.77.0.11");
  assert.equal(
    knownHosts([{ ip: "10.77.0.11", sshHostKey: "ssh-ed25519 AAAA n001" }]),
    "10.77.0.11 ssh-ed25519 AAAA\n",
  );
});

test("Ctrl-] ends a console; what was typed before it is still sent", () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
  assert.deepEqual(splitAtEscape(bytes("ls\r")), { typed: bytes("ls\r"), left: false });
  const { typed, left } = splitAtEscape(bytes("ab\x1dcd"));
  assert.equal(left, true);
  assert.equal(Buffer.from(typed).toString(), "ab");
});
