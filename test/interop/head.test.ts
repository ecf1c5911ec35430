import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { EventsAnswer, LeasesAnswer, NodesAnswer, StatusAnswer } from "../../server/model/answers.ts";
import { createHeadProcess, type HeadProcess } from "../support/head-process.ts";
import { createRack, type Rack, type RackOptions } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** A rack with a head that has not been started; both are gone after the test. */
async function rackWithHead(
  t: TestContext,
  options: RackOptions,
): Promise<{ rack: Rack; head: HeadProcess }> {
  const directory = temporaryDirectory(t);
  const rack = await createRack(options);
  const head = createHeadProcess(rack, directory);
  t.after(async () => {
    await head.stop("SIGKILL");
    await rack.dispose();
  });
  return { rack, head };
}

/** Asks for an address as udhcpc does: one lease, then it ends. */
async function askForAddress(rack: Rack, client: string): Promise<string> {
  const host = rack.client(client);
  const { stdout, stderr } = await rack.exec(
    host,
    ["busybox", "udhcpc", "-i", host.device, "-n", "-q", "-f", "-t", "8", "-T", "1", "-s", "/bin/true"],
    { reject: false },
  );
  return /lease of ([\d.]+) obtained/.exec(stdout + stderr)?.[1] ?? "";
}

test("a machine added while the head runs is served by the next packet, by DHCP and HTTP", async (t) => {
  const { rack, head } = await rackWithHead(t, {
    clients: [{ name: "a" }, { name: "b", address: "10.77.0.5/24" }],
  });
  await head.start();
  assert.match(await askForAddress(rack, "a"), /^10\.77\.0\.2(?:0\d|[1-4]\d|50)$/);
  const added = await head.provision("add-node", "n001", "--mac", rack.client("a").mac, "--ip", "10.77.0.11");
  assert.equal(added.exitCode, 0, added.stderr);
  assert.equal(await askForAddress(rack, "a"), "10.77.0.11");
  const url = `http://10.77.0.1:8080/boot/${rack.client("a").mac.replaceAll(":", "-")}/script.ipxe`;
  const { stdout } = await rack.exec(rack.client("b"), ["curl", "-sS", "-m", "5", url]);
  assert.match(stdout, /n001 boots debian-13, which/);
});

test("curl gets loaders whole and by ranges, and a resumed download is the same file", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: [{ name: "b", address: "10.77.0.5/24" }] });
  await head.start();
  const whole = readFileSync(join(head.directory, "loaders/snponly.efi"));
  const url = "http://10.77.0.1:8080/boot/52-54-00-77-00-01/loader/snponly.efi";
  const target = join(head.directory, "fetched");
  const client = rack.client("b");
  await rack.exec(client, ["curl", "-sS", "-f", "-o", target, url]);
  assert.deepEqual(readFileSync(target), whole);
  writeFileSync(target, whole.subarray(0, 12_345));
  await rack.exec(client, ["curl", "-sS", "-f", "-C", "-", "-o", target, url]);
  assert.deepEqual(readFileSync(target), whole);
  const { stdout } = await rack.exec(client, ["curl", "-sS", "-I", url]);
  assert.match(stdout, new RegExp(`content-length: ${whole.length}`, "i"));
  const escape = await rack.exec(client, [
    "curl",
    "-sS",
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    "--path-as-is",
    "http://10.77.0.1:8080/boot/52-54-00-77-00-01/loader/../../../etc/passwd",
  ]);
  assert.equal(escape.stdout, "404");
});

test("kill -9 loses no lease and no change, and the NFS server goes on under the next head", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: ["a"] });
  await head.start();
  const address = await askForAddress(rack, "a");
  assert.notEqual(address, "");
  const added = await head.provision(
    "add-node",
    "n[001-003]",
    "--mac",
    "52:54:00:00:00:01+",
    "--group",
    "compute",
  );
  assert.equal(added.exitCode, 0, added.stderr);
  const serverBefore = await nfsPid(rack);
  await head.stop("SIGKILL");
  assert.equal(await nfsPid(rack), serverBefore, "the NFS server lives on");

  const offline = JSON.parse((await head.provision("list-nodes", "--json")).stdout) as NodesAnswer;
  assert.deepEqual(
    offline.nodes.map((node) => node.name),
    ["n001", "n002", "n003"],
  );

  await head.start();
  assert.equal(await nfsPid(rack), serverBefore, "the next head has taken it over");
  const leases = JSON.parse((await head.provision("list-leases", "--json")).stdout) as LeasesAnswer;
  assert.ok(leases.leases.some((lease) => lease.ip === address && lease.mac === rack.client("a").mac));
  assert.equal(await askForAddress(rack, "a"), address);
  await head.stop();
  assert.equal(await nfsPid(rack), "", "a head that stops in order leaves nothing running");
});

async function nfsPid(rack: Rack): Promise<string> {
  const pids = (await rack.exec(rack.head, ["ip", "netns", "pids", rack.head.namespace])).stdout.split("\n");
  return pids
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("ganesha");
      } catch {
        return false;
      }
    })
    .join(" ");
}

test("a head with three interfaces that serves one is silent on the other two, whatever is asked there", async (t) => {
  const networks = [
    { name: "br0", address: "10.77.0.1/24" },
    { name: "br1", address: "10.78.0.1/24" },
    { name: "br2", address: "10.79.0.1/24" },
  ];
  const clients = [
    { name: "a", network: "br0" },
    { name: "b", network: "br1" },
    { name: "c", network: "br2", address: "10.79.0.5/24" },
  ];
  const { rack, head } = await rackWithHead(t, { networks, clients });
  await head.start();
  const captures = ["br1", "br2"].map((device) => {
    // What leaves by the device, but for ARP, ICMP and TCP resets, which are the kernel's and no server's.
    const file = join(head.directory, `${device}.pcap`);
    return {
      device,
      file,
      child: rack.spawn(rack.head, [
        "tcpdump",
        "-i",
        device,
        "-Q",
        "out",
        "-U",
        "-w",
        file,
        "udp or (tcp and tcp[tcpflags] & tcp-rst == 0)",
      ]),
    };
  });
  for (const { file } of captures) await until(() => sizeOf(file) >= 24, "tcpdump does not start");
  assert.equal(await askForAddress(rack, "b"), "");
  const c = rack.client("c");
  assert.equal(await askForAddress(rack, "c"), "");
  await rack.exec(c, ["curl", "-sS", "-m", "2", "http://10.79.0.1:8080/boot/52-54-00-77-00-01/script.ipxe"], {
    reject: false,
  });
  await rack.exec(c, ["curl", "-sS", "-m", "2", "tftp://10.79.0.1/undionly.kpxe"], { reject: false });
  // The served address itself, asked for from the wrong side: the host routes to itself, the sockets must not answer.
  await rack.exec(c, ["ip", "route", "add", "10.77.0.0/24", "via", "10.79.0.1"]);
  const wrongSide = await rack.exec(c, ["curl", "-sS", "-m", "3", "tftp://10.77.0.1/undionly.kpxe"], {
    reject: false,
  });
  assert.notEqual(wrongSide.exitCode, 0);
  // It does answer where it was told to.
  assert.notEqual(await askForAddress(rack, "a"), "");
  for (const { child } of captures) child.kill("SIGINT");
  for (const { child, device, file } of captures) {
    await child;
    assert.equal(statSync(file).size, 24, `the capture on ${device} holds packets`);
  }
});

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

async function until(holds: () => boolean | Promise<boolean>, otherwise: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(otherwise);
    await delay(50);
  }
}

test("a port that is taken: the head does not start, and names who has it", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: [] });
  const holder = rack.spawn(rack.head, [
    process.execPath,
    "-e",
    "require('net').createServer().listen(8080, '10.77.0.1', () => console.log('ready')); setInterval(() => {}, 1000)",
  ]);
  await once(holder.stdout ?? createServer(), "data");
  await assert.rejects(head.start(), (error) => {
    assert.ok(error instanceof Error);
    assert.match(error.message, /port 8080 is taken by node\S* \(process \d+\)/);
    assert.match(error.message, /try: /);
    return true;
  });
});

test("an interface that is not there, and an address that is not its own: said before anything is opened", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: [] });
  for (const [change, expected] of [
    [{ interface: "eth7" }, /there is no network interface eth7/],
    [{ address: "10.77.0.9" }, /10\.77\.0\.9 is not an address of br0, which has 10\.77\.0\.1/],
  ] as const) {
    const wrong = createHeadProcess(rack, join(head.directory, Object.keys(change)[0] ?? ""), change);
    await assert.rejects(wrong.start(), expected);
  }
});

test("a head starts while its cable is out, and serves once it is in", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: [] });
  const { namespace } = rack.head;
  const inside = (...argv: string[]): Promise<unknown> => rack.exec(rack.head, ["ip", ...argv]);
  await inside("link", "add", "up0", "type", "veth", "peer", "name", "far0");
  await inside("address", "add", "10.80.0.1/24", "brd", "+", "dev", "up0");
  await inside("link", "set", "up0", "up");
  const alone = createHeadProcess(rack, join(head.directory, "alone"), {
    interface: "up0",
    address: "10.80.0.1",
    subnet: "10.80.0.0/24",
    pool: "10.80.0.200-10.80.0.250",
  });
  t.after(() => alone.stop("SIGKILL"));
  await alone.start();
  await inside("link", "set", "far0", "up");
  const far = { namespace, device: "far0", mac: "" };
  const { stdout, stderr } = await rack.exec(
    far,
    ["busybox", "udhcpc", "-i", "far0", "-n", "-q", "-f", "-t", "8", "-T", "1", "-s", "/bin/true"],
    { reject: false },
  );
  assert.match(stdout + stderr, /lease of 10\.80\.0\.2\d\d obtained/);
});

test("without the capabilities it needs, the head says which", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: [] });
  const { exitCode, stderr, stdout } = await rack.exec(
    rack.head,
    [
      "setpriv",
      "--bounding-set",
      "-all",
      "--inh-caps",
      "-all",
      "--ambient-caps",
      "-all",
      "--no-new-privs",
      "--reuid",
      "65534",
      "--clear-groups",
      "scripts/provision",
      "--config",
      head.config,
      "serve",
    ],
    { reject: false },
  );
  assert.equal(exitCode, 1, stdout);
  assert.match(stderr, /provision: .*(?:not allowed|cannot|EACCES|permission)/i);
});

test("one process at a time has the store: a second head, and a command's own core, are told by whom", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: [] });
  await head.start();
  const second = createHeadProcess(rack, head.directory, { socket: join(head.directory, "second.sock") });
  await assert.rejects(second.start(), /in use by process \d+/);
  const direct = await second.provision("list-nodes");
  assert.equal(direct.exitCode, 1);
  assert.match(direct.stderr, /in use by process \d+/);
});

test("the API's socket is for root and the group only", async (t) => {
  const { head } = await rackWithHead(t, { clients: [] });
  await head.start();
  const { mode, uid } = statSync(join(head.directory, "api.sock"));
  assert.equal(mode & 0o007, 0);
  assert.equal(uid, 0);
});

test("hostile packets on every port are dropped and counted, and the head lives", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: [{ name: "a", address: "10.77.0.5/24" }] });
  await head.start();
  const storm = `const d = require("dgram").createSocket("udp4"); let n = 0; let seed = 7;
    const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff);
    d.bind(0, () => { d.setBroadcast(true); const go = () => { if (n++ >= 2000) return d.close(() => console.log("sent"));
      const bytes = Buffer.from(Array.from({ length: random() % 600 }, () => random() & 255)); if (n % 3 === 0 && bytes.length > 4) bytes.writeUInt16BE(n % 7, 0);
      d.send(bytes, n % 2 ? 67 : 69, n % 4 < 2 ? "10.77.0.1" : "10.77.0.255", () => setImmediate(go)); }; go(); });`;
  await rack.exec(rack.client("a"), [process.execPath, "-e", storm]);
  await rack.exec(
    rack.client("a"),
    ["sh", "-c", "head -c 4096 /dev/urandom | busybox nc -w 1 10.77.0.1 8080"],
    { reject: false },
  );
  const status = JSON.parse((await head.provision("status", "--json")).stdout) as StatusAnswer;
  const counted = (part: string): number =>
    Object.entries(status.parts.find(({ name }) => name === part)?.counters ?? {}).reduce(
      (sum, [name, count]) => (name.startsWith("dropped.") ? sum + count : sum),
      0,
    );
  assert.ok(counted("dhcp") > 100, JSON.stringify(status.parts));
  assert.ok(counted("tftp") > 100, JSON.stringify(status.parts));
  assert.equal(
    (
      await rack.exec(rack.client("a"), [
        "curl",
        "-sS",
        "-m",
        "5",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "http://10.77.0.1:8080/boot/52-54-00-00-00-01/script.ipxe",
      ])
    ).stdout,
    "200",
  );
});

test("a full disk: no ACK is sent for a lease that cannot be written, and there is one as soon as it can", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: ["a"] });
  const state = join(head.directory, "state");
  // A file system of its own, in the head's mount namespace alone, which the test can fill.
  const small = createHeadProcess(rack, head.directory, {});
  const script = `mkdir -p ${state} && mount -t tmpfs -o size=6m tmpfs ${state} && exec scripts/provision --config ${small.config} serve`;
  const child = rack.spawn(rack.head, ["unshare", "--mount", "--", "sh", "-c", script], { stdin: "ignore" });
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await until(() => said.includes("the head serves"), "the head does not come up");
  const pid = /"pid":(\d+),"hostname":"[^"]*","config"/.exec(said)?.[1] ?? "";
  const inside = (command: string): Promise<unknown> =>
    rack.exec(rack.head, ["nsenter", "--mount", "--target", pid, "--", "sh", "-c", command], {
      reject: false,
    });
  await inside(`dd if=/dev/zero of=${state}/filler bs=4k 2>/dev/null`);
  assert.equal(await askForAddress(rack, "a"), "", said);
  assert.match(said, /full|SQLITE_FULL|disk|not saved|could not be/i);
  await inside(`rm ${state}/filler`);
  assert.notEqual(await askForAddress(rack, "a"), "");
  child.kill("SIGTERM");
  await child;
});

test("what happened is told as it happens, and is there after a restart", async (t) => {
  const { rack, head } = await rackWithHead(t, { clients: [{ name: "b", address: "10.77.0.5/24" }] });
  await head.start();
  const url = "http://10.77.0.1:8080/boot/52-54-00-77-00-42/script.ipxe";
  await rack.exec(rack.client("b"), ["curl", "-sS", "-o", "/dev/null", url]);
  const before = JSON.parse((await head.provision("events", "--json")).stdout) as EventsAnswer;
  assert.deepEqual(
    before.events.map((event) => [event.kind, event.mac]),
    [["script", "52:54:00:77:00:42"]],
  );
  await head.stop();
  await head.start();
  const after = JSON.parse((await head.provision("events", "--json")).stdout) as EventsAnswer;
  assert.deepEqual(after.events, before.events);
  const why = await head.provision("why", "52:54:00:77:00:42");
  assert.match(why.stdout, /is not in the inventory: it asked for a boot .* waits in its loader/);
});
