import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { execa } from "execa";
import type { EventsAnswer, LeasesAnswer, NodesAnswer } from "../../server/model/answers.ts";
import type { SimulationReport } from "../../server/simulate/report.ts";
import { writeSyntheticImage } from "../../server/simulate/synthetic-image.ts";
import { createHeadProcess, type HeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const command = join(import.meta.dirname, "../../scripts/provision");

/** A head's configuration with three nodes and an image in its store; the head itself runs only if it is started. */
async function headWithNodes(t: TestContext): Promise<HeadProcess> {
  const directory = temporaryDirectory(t);
  const rack = await createRack({ clients: [] });
  const head = createHeadProcess(rack, directory);
  t.after(async () => {
    await head.stop("SIGKILL");
    await rack.dispose();
  });
  writeSyntheticImage(join(directory, "images"), "debian-13", 2_000_000);
  const added = await head.provision(
    "add-node",
    "n[1-3]",
    "--mac",
    "52:54:00:00:00:01+",
    "--ip",
    "10.77.0.11+",
  );
  assert.equal(added.exitCode, 0, added.stderr);
  return head;
}

/** Everything of simulations that is still there. */
function tracesOf(directory: string): string[] {
  const names = [...(existsSync("/run/netns") ? readdirSync("/run/netns") : []), ...readdirSync(directory)];
  return names.filter((name) => name.startsWith("provision-simulate-") && !isOthers(name, directory));
}

/** Simulations of other tests at the same time have their directories elsewhere. */
function isOthers(name: string, directory: string): boolean {
  const pid = /\d+/.exec(name)?.[0] ?? "";
  return existsSync(`/proc/${pid}`) && !readdirSync(directory).includes(name.replace(/-n$/, ""));
}

test("a node is walked by each firmware against a twin, and its own head does not notice", async (t) => {
  const head = await headWithNodes(t);
  await head.start();
  for (const firmware of ["bios", "uefi", "http"]) {
    const { exitCode, stdout, stderr } = await head.provision(
      "simulate",
      "n2",
      "--firmware",
      firmware,
      "--pace",
      "0",
    );
    assert.equal(exitCode, 0, `${stderr}\n${stdout}`);
    assert.match(stdout, /> DHCP DISCOVER, broadcast/);
    assert.match(stdout, /yiaddr 10\.77\.0\.12/);
    assert.match(stdout, /- kernel command line\n.*root=nfs4:10\.77\.0\.1:/);
    assert.match(stdout, /1 of 1 machine up/);
    assert.match(stdout, /every step of 1 boot/);
  }
  const { events } = JSON.parse((await head.provision("events", "--json")).stdout) as EventsAnswer;
  assert.deepEqual(events, []);
  const { leases } = JSON.parse((await head.provision("list-leases", "--json")).stdout) as LeasesAnswer;
  assert.deepEqual(leases, []);
  const { nodes } = JSON.parse((await head.provision("list-nodes", "--json")).stdout) as NodesAnswer;
  assert.deepEqual(new Set(nodes.map(({ phase }) => phase)), new Set(["new"]));
  assert.deepEqual(
    readdirSync(join(head.directory, "state")).filter((name) => name.startsWith("snapshot")),
    [],
  );
  assert.deepEqual(tracesOf(head.directory), []);
});

test("where no head runs, the inventory is walked from its store: a kernel that is missing is said in words", async (t) => {
  const head = await headWithNodes(t);
  const whole = await head.provision("simulate", "--inventory", "--pace", "0", "--json");
  assert.equal(whole.exitCode, 0, whole.stderr);
  assert.equal((JSON.parse(whole.stdout) as SimulationReport).head?.onRecord, 3);
  rmSync(join(head.directory, "images/debian-13/20260101-00000000/vmlinuz"));
  const { exitCode, stdout } = await head.provision("simulate", "n1", "--pace", "0");
  assert.equal(exitCode, 1);
  assert.match(stdout, /failed at kernel: n1/);
  assert.match(stdout, /the kernel .*vmlinuz is missing/);
  assert.match(stdout, /try: provision build-image debian-13 --force/);
});

test("a machine that is in no inventory is told what its console would say", async (t) => {
  const head = await headWithNodes(t);
  const { exitCode, stdout } = await head.provision(
    "simulate",
    "52:54:00:00:00:99",
    "--pace",
    "0",
    "--patience",
    "4",
  );
  assert.equal(exitCode, 1);
  assert.match(stdout, /52:54:00:00:00:99 is not in the inventory.*add-node NAME --from-discovered/);
});

test("a storm of fifty machines of every firmware: all up, and on the head's record", async (t) => {
  const head = await headWithNodes(t);
  const flags = "--nodes 50 --firmware bios,uefi,http --pace 0 --file-size 1M --json".split(" ");
  const { exitCode, stdout, stderr } = await head.provision("simulate", ...flags);
  assert.equal(exitCode, 0, `${stderr}\n${stdout}`);
  const report = JSON.parse(stdout) as SimulationReport;
  assert.deepEqual([report.up, report.failed, report.head?.onRecord], [50, 0, 50]);
  assert.deepEqual(report.firmware, { bios: 17, uefi: 17, http: 16 });
  assert.ok(report.bytes > 50 * 2 ** 20);
  assert.ok((report.head?.cpuMs ?? 0) > 0 && (report.head?.residentPeakBytes ?? 0) > 0);
  assert.deepEqual(
    report.phases.map(({ count }) => count),
    report.phases.map(() => 50),
  );
});

test("a thousand machines that are switched on at once, and none waits for its turn: nobody is lost", async (t) => {
  const head = await headWithNodes(t);
  appendFileSync(head.config, "boot:\n  concurrent: 1000\n");
  const words = "--nodes 1000 --firmware bios,uefi,http --pace 0 --no-files --json".split(" ");
  const { stdout, stderr } = await execa(command, ["--config", head.config, "simulate", ...words], {
    reject: false,
    timeout: 120_000,
  });
  assert.notEqual(stdout, "", stderr);
  const report = JSON.parse(stdout) as SimulationReport;
  assert.deepEqual(report.failures, []);
  assert.deepEqual([report.up, report.told.machines, report.head?.onRecord], [1000, 0, 1000]);
  assert.deepEqual(
    report.phases.map(({ count }) => count),
    report.phases.map(() => 1000),
  );
});

test("by an interface, against the head that is there: it knows the boot, and the interface is as it was", async (t) => {
  const directory = temporaryDirectory(t);
  const rack = await createRack({ clients: ["a"] });
  const head = createHeadProcess(rack, directory);
  t.after(async () => {
    await head.stop("SIGKILL");
    await rack.dispose();
  });
  writeSyntheticImage(join(directory, "images"), "debian-13", 2_000_000);
  await head.start();
  await head.provision("add-node", "n1", "--mac", "52:54:00:00:00:01", "--ip", "10.77.0.11");
  const host = rack.client("a");
  const flags = ["--interface", host.device, "--firmware", "uefi", "--pace", "0", "--json"];
  const { stdout } = await rack.exec(host, [command, "simulate", "52:54:00:00:00:01", ...flags]);
  assert.equal((JSON.parse(stdout) as SimulationReport).up, 1);
  const { nodes } = JSON.parse((await head.provision("list-nodes", "--json")).stdout) as NodesAnswer;
  assert.deepEqual(
    nodes.map(({ name, phase }) => [name, phase]),
    [["n1", "up"]],
  );
  const addresses = await rack.exec(host, ["ip", "-4", "-o", "address", "show", "dev", host.device]);
  assert.equal(addresses.stdout, "");
});

test("Ctrl-C in the middle of a storm leaves nothing behind", async (t) => {
  const head = await headWithNodes(t);
  const child = execa(
    command,
    ["simulate", "--config", head.config, "--nodes", "100", "--firmware", "uefi"],
    {
      reject: false,
      timeout: 40_000,
    },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (!said.includes("switched on") && (said += chunk.toString()).includes("switched on"))
      child.kill("SIGINT");
  });
  const { exitCode, stderr } = await child;
  assert.equal(exitCode, 130, stderr);
  assert.match(stderr, /interrupted/);
  assert.deepEqual(tracesOf(head.directory), []);
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const { stdout } = await execa("ps", ["-o", "args=", "-p", processes.join(",")], { reject: false });
  assert.ok(!stdout.includes(`${head.directory}/provision-simulate-`), stdout);
});
