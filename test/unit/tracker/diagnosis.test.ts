import assert from "node:assert/strict";
import { test } from "node:test";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import type { BootEvent } from "../../../server/model/boot-event.ts";
import type { ClusterNode } from "../../../server/model/node.ts";
import type { Phase } from "../../../server/model/phase.ts";
import { type Case, diagnose } from "../../../server/tracker/diagnosis.ts";

const mac = "52:54:00:00:00:01" as Mac;

const node: ClusterNode = {
  id: 1,
  name: "n1",
  macs: [mac],
  ip: "10.0.1.11" as Ipv4,
  groups: [],
  kernelArguments: [],
  machineId: "0".repeat(32),
  sshPublicKey: "",
  addedAtMs: 0,
};

const steps: object[] = [
  { kind: "offered", client: "firmware", firmware: "bios", ip: "10.0.1.11" },
  { kind: "loader", file: "undionly.kpxe", bytes: 70_000, durationMs: 100, via: "tftp" },
  { kind: "script", bytes: 900, known: true },
  { kind: "kernel", file: "k", bytes: 12_000_000, durationMs: 900, via: "http" },
  { kind: "initrd", file: "i", bytes: 26_000_000, durationMs: 1900, via: "http" },
  { kind: "overlay", file: "o", bytes: 30_000, durationMs: 10, via: "http" },
  { kind: "starting", uptimeSeconds: 12 },
  { kind: "root", uptimeSeconds: 20 },
  { kind: "up", uptimeSeconds: 60 },
];

/** The first `count` steps of a boot, ten seconds apart, then `more`. */
function timeline(count: number, ...more: object[]): BootEvent[] {
  return [...steps.slice(0, count), ...more].map(
    (event, index) => ({ mac, atMs: index * 10_000, ...event }) as BootEvent,
  );
}

function caseOf(phase: Phase, events: BootEvent[], silentMs: number, change: Partial<Case> = {}): Case {
  const lastMs = events.at(-1)?.atMs ?? 0;
  return {
    subject: "n1",
    node,
    phase,
    phaseSinceMs: lastMs,
    events,
    headFaults: [],
    unknownMachines: [],
    headRuns: true,
    nowMs: lastMs + silentMs,
    ...change,
  };
}

test("a healthy node: how long it took, when it was heard, every step with its bytes", () => {
  const events = timeline(9);
  const answer = diagnose(caseOf("up", events, 5000, { lastHeartbeatMs: 84_000 }));
  assert.match(answer.summary, /^n1 is up: it booted in 80 s, 5\.0 s ago; last heard 1\.0 s ago$/);
  assert.deepEqual(
    answer.steps.map((step) => step.state),
    Array.from({ length: 9 }, () => "done"),
  );
  assert.equal(answer.steps[3]?.bytes, 12_000_000);
  assert.equal(answer.steps[3]?.sinceStartMs, 30_000);
  assert.deepEqual(answer.tryNext, []);
});

test("a node under way is booting, not stuck", () => {
  const answer = diagnose(caseOf("kernel", timeline(4), 3000));
  assert.match(
    answer.summary,
    /^n1 is booting: fetched the kernel k by HTTP, 11\.4 MiB in 0\.9 s, 3\.0 s ago \(step 4 of 9\)$/,
  );
  assert.deepEqual(
    answer.steps.slice(4, 6).map((step) => step.state),
    ["waiting", "missing"],
  );
});

for (const [count, phase, expected] of [
  [1, "offered", /another DHCP server, a firewall on UDP 69/],
  [2, "loader", /Secure Boot/],
  [4, "kernel", /in the middle of the downloads/],
  [6, "overlay", /kernel panicked, or has no driver/],
  [7, "starting", /root was not mounted/],
  [8, "root", /agent was not heard/],
] as const) {
  test(`stopped after the step "${phase}": says so and what usually does it`, () => {
    const answer = diagnose(caseOf(phase, timeline(count), 600_000));
    assert.match(answer.summary, new RegExp(`^n1 stopped after the step "${phase}", 10 min ago`));
    assert.match(answer.summary, expected);
    assert.ok(answer.tryNext.length > 0);
    assert.equal(answer.steps[count]?.state, "failed");
  });
}

test("a machine that nobody knows and that waits: how to make it a node", () => {
  const machine = { mac, firstSeenMs: 0, lastSeenMs: 8000, firmware: "uefi-x64", ip: "10.0.1.200" as Ipv4 };
  const { node: _, ...rest } = caseOf("script", timeline(3), 0, { subject: mac, machine, nowMs: 10_000 });
  const answer = diagnose(rest);
  assert.match(
    answer.summary,
    /not in the inventory: it asked for a boot 2\.0 s ago, got 10\.0\.1\.200 and waits in its loader/,
  );
  assert.match(answer.tryNext[0] ?? "", /^provision add-node NAME --from-discovered 52:54:00:00:00:01/);
});

test("a MAC that was never seen", () => {
  const { node: _, ...rest } = caseOf("new", [], 0, { subject: mac });
  assert.match(diagnose(rest).summary, /never asked this head/);
});

test("a node never seen to boot: unknown machines that may be it", () => {
  const machine = { mac: "52:54:00:00:00:99" as Mac, firstSeenMs: 0, lastSeenMs: 0 };
  const answer = diagnose(caseOf("new", [], 60_000, { unknownMachines: [machine] }));
  assert.match(answer.summary, /n1 has never asked this head for an address/);
  assert.ok(answer.tryNext.some((line) => line.includes("set-node n1 --add-mac 52:54:00:00:00:99")));
});

test("a node without a MAC is told to get one", () => {
  const answer = diagnose(caseOf("new", [], 0, { node: { ...node, macs: [] } }));
  assert.match(answer.tryNext[0] ?? "", /set-node n1 --mac/);
});

test("a kernel that is missing on the head: the refusal, the fault and its mend", () => {
  const refused = { kind: "refused", step: "kernel", message: "/store/vmlinuz is missing" };
  const fault = {
    stops: "kernel",
    message: "the kernel /store/vmlinuz is missing",
    fix: "provision build-image debian-13 --force",
  } as const;
  const answer = diagnose(caseOf("script", timeline(3, refused), 2000, { headFaults: [fault] }));
  assert.match(answer.summary, /^n1 cannot boot: \/store\/vmlinuz is missing$/);
  assert.equal(answer.tryNext[0], fault.fix);
});

test("a refusal that was overcome is no reason any more", () => {
  const refused = { kind: "refused", step: "kernel", message: "gone" };
  const events = timeline(3, refused, steps[3] ?? {}, steps[4] ?? {});
  assert.match(diagnose(caseOf("initrd", events, 1000)).summary, /is booting/);
});

test("a refused credential is not why a node does not boot", () => {
  const refused = { kind: "refused", step: "credential", message: "somebody sent a wrong token" };
  assert.match(diagnose(caseOf("starting", timeline(7, refused), 1000)).summary, /is booting/);
});

test("a root that could not be mounted: the head's fault before the node's words, and both are told", () => {
  const failed = { kind: "failed", message: "mount.nfs4: Connection refused\nmore" };
  const fault = {
    stops: "root",
    message: "the NFS server is failed: died ten times",
    fix: "provision status",
  } as const;
  const answer = diagnose(caseOf("failed", timeline(7, failed), 3000, { headFaults: [fault] }));
  assert.match(answer.summary, /could not mount its root 3\.0 s ago: the NFS server is failed/);
  assert.ok(answer.findings.some((finding) => finding.includes("mount.nfs4: Connection refused")));
  assert.equal(answer.steps.find((step) => step.step === "root")?.state, "failed");
  const without = diagnose(caseOf("failed", timeline(7, failed), 3000));
  assert.match(without.summary, /: mount\.nfs4: Connection refused$/);
});

test("powered off and shut down are told apart", () => {
  const lost = diagnose(
    caseOf("lost", timeline(9, { kind: "lost", silentMs: 9000 }), 30_000, { lastHeartbeatMs: 81_000 }),
  );
  assert.match(lost.summary, /silent since 39 s ago: powered off, crashed, or cut off/);
  const down = diagnose(caseOf("down", timeline(9, { kind: "stopping" }), 30_000));
  assert.match(down.summary, /shut down in order 30 s ago/);
  assert.deepEqual(down.findings, []);
});

test("without a head nothing boots", () => {
  const answer = diagnose(caseOf("up", timeline(9), 0, { headRuns: false }));
  assert.match(answer.summary, /no head runs/);
  assert.deepEqual(answer.tryNext, ["provision serve"]);
});

test("an iPXE in ROM fetches no loader: the step is left out, not missing", () => {
  const events = timeline(9).filter((event) => event.kind !== "loader");
  assert.deepEqual(
    diagnose(caseOf("up", events, 0)).steps.map((step) => step.step),
    ["offered", "script", "kernel", "initrd", "overlay", "starting", "root", "up"],
  );
});

test("beside another DHCP server: an address that is not the inventory's is told, at whatever phase", () => {
  const taken = (ip: string) => ({
    kind: "offered",
    client: "firmware",
    firmware: "bios",
    ip,
    server: "10.0.1.254",
  });
  const advice =
    /10\.0\.1\.254 gave it 10\.0\.1\.57, and the inventory has 10\.0\.1\.11: reserve .* --ip 10\.0\.1\.57/;
  for (const phase of ["up", "overlay"] as const) {
    const { findings } = diagnose(caseOf(phase, timeline(6, taken("10.0.1.57")), 1000));
    assert.match(findings.join("\n"), advice, phase);
  }
  const { findings } = diagnose(caseOf("up", timeline(9, taken("10.0.1.57"), taken("10.0.1.11")), 1000));
  assert.deepEqual(findings, [], "the last word counts");
});

test("a machine that was taken for two nodes is told of, whether the node boots or is up", () => {
  const message = "52:54:00:00:00:99 is not guessed to be any of them: MAC … is n1's, UUID … is n2's";
  const refused = { kind: "refused", step: "offered", message };
  assert.equal(diagnose(caseOf("new", timeline(0, refused), 1000)).summary, `n1 cannot boot: ${message}`);
  const up = diagnose(caseOf("up", timeline(9, refused), 1000));
  assert.match(up.summary, /is up/);
  assert.deepEqual(up.findings, [`an address was refused 1.0 s ago: ${message}`]);
});
