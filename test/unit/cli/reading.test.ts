import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { briefNodeAnswer } from "../../../server/http/answers.ts";
import { fakeHead, provision } from "./fake-head.ts";
import { event, image, lease, newNode, render, status, upNode, why } from "./fixtures.ts";

const nodes = { nodes: [upNode, newNode] };
const machines = {
  machines: [
    {
      mac: "52:54:00:00:00:07",
      firstSeenMs: 0,
      lastSeenMs: Date.now(),
      firmware: "bios",
      vendorClass: "PXE\u001B[31mClient",
    },
  ],
};
const answers = {
  "GET /api/nodes": nodes,
  "GET /api/nodes?brief=1": { nodes: nodes.nodes.map(briefNodeAnswer) },
  "GET /api/groups": {
    groups: [
      {
        name: "compute",
        image: "debian-13",
        kernelArguments: ["quiet"],
        options: [{ code: 224, name: "224", value: "text:x" }],
      },
    ],
  },
  "GET /api/leases": { leases: [lease] },
  "GET /api/discovered": machines,
  "GET /api/images": { images: [image] },
  "GET /api/events": { events: [event(1, "n001", "is up"), event(2, "n001", "is up again")] },
  "GET /api/why/n001": why,
  "GET /api/render/n001": render,
  "GET /api/status": status,
};

/** Command, what `--json` must print, and what a person must be able to read. */
const cases: readonly { words: string[]; json: unknown; text: readonly (string | RegExp)[] }[] = [
  {
    words: ["list-nodes"],
    json: nodes,
    text: [
      /^NAME +PHASE +IP +MAC +GROUPS +IMAGE +CPU +MEMORY +NICS +HEARTBEAT$/m,
      /^n001 +up +10\.9\.0\.2 +52:54:00:00:00:01,52:54:00:00:01:01 +compute,gpu +debian-13@20261122-3f9a1c04 +4 × Test CPU +512 MiB +ens3,ens4- +\d+ (?:s|min) ago$/m,
      /^n002 +new +10\.9\.0\.3 +- +- +debian-13 +- +- +- +-$/m,
    ],
  },
  {
    words: ["show-node", "n001"],
    json: nodes,
    text: [
      /^name +n001$/m,
      /^phase +up, since 1 h ago \(\d{4}-/m,
      /^added +.*\(2026-11-22 12:00:00\)$/m,
      /^ports +52:54:00:00:00:01\n +52:54:00:00:01:01$/m,
      /^image +debian-13@20261122-3f9a1c04 \(site\)\nloader +grub \(group compute\)$/m,
      /^uuid +0a0b0c0d-0000-0000-0000-000000000001\nclient identifiers +01:52:54:00:00:00:01\nswitch port +sw1\/ge-0\/0\/1$/m,
      /^dhcp options +ntp-servers=10\.9\.0\.1, 10\.9\.0\.9$/m,
      /^processor +Test CPU, 2400 MHz; 1 socket, 2 cores, 4 threads$/m,
      /^network ports +ens3 .*virtio_net  link up 1000 Mbit\/s  0000:00:03\.0  1af4:1000\n +ens4 .*no link  port 2 of its card$/m,
      /^disks +vda  16\.8 GiB  rotational  SCSI disk/m,
      /^load +0\.50 0\.25 0\.13 over 1, 5, 15 min; 2 runnable; processors 42 % busy$/m,
      "ssh-ed25519 AAAAC3Nz n001",
    ],
  },
  {
    words: ["list-groups"],
    json: answers["GET /api/groups"],
    text: [
      /^NAME +COUNT +NODES +IMAGE +LOADER +KERNEL ARGUMENTS +DHCP OPTIONS$/m,
      /^compute +1 +n001 +debian-13 +- +quiet +224=text:x$/m,
    ],
  },
  {
    words: ["list-leases"],
    json: answers["GET /api/leases"],
    text: [/^10\.9\.0\.201 +52:54:00:00:00:07 +- +pool +bound +printer +in 5\d min$/m],
  },
  {
    words: ["list-discovered"],
    json: machines,
    text: [/^52:54:00:00:00:07 +bios +- +PXEClient +\d+ d ago +\d+ (?:s|min) ago$/m],
  },
  {
    words: ["list-images"],
    json: answers["GET /api/images"],
    text: [/^debian-13@20261122-3f9a1c04 +current +amd64 +6\.12\.48\+deb13-amd64 +380 MiB +2 h ago$/m],
  },
  {
    words: ["events"],
    json: answers["GET /api/events"],
    text: [/^2026-11-22 12:00:01  n001 +up +is up\n2026-11-22 12:00:02  n001 +up +is up again\n$/],
  },
  {
    words: ["why", "n001"],
    json: why,
    text: [
      /^n001 stopped after its kernel was sent, 40 s ago\n\nSTEP /,
      /^kernel +done +2026-11-22 12:00:04 +\+4\.2 +12\.0 MiB +1\.5 s +vmlinuz by http$/m,
      /^initrd +missing +- +- +- +- +never asked for$/m,
      "Found out:\n  the initrd /images/initrd is missing",
      "Try:\n  provision build-image debian-13 --force",
    ],
  },
  {
    words: ["render", "n001"],
    json: render,
    text: [
      "== n001: image\ndebian-13@20261122-3f9a1c04\n",
      "== DHCP options for bios firmware\nboot file  undionly.kpxe\nhost name  n001\n",
      "== boot script\n#!ipxe\nkernel vmlinuz\nboot\n\n",
      "== kernel arguments\nroot=nfs4:10.9.0.1:/node:ro ip=dhcp\n",
      "== file /etc/hostname  0644  5 B\nn001\n",
      "== file /etc/ssh/ssh_host_ed25519_key  0600  400 B\n(secret)\n",
      "== file /usr/lib/provision/agent.js  0644  40 KiB\n(not text)\n",
    ],
  },
  {
    words: ["status"],
    json: status,
    text: [
      /^head +running, process 4711, started \d+/m,
      /^serves +eth9, 10\.9\.0\.1 in 10\.9\.0\.0\/24, pool 10\.9\.0\.200-10\.9\.0\.250\nand +10\.9\.2\.0\/24 on rack2, pool 10\.9\.2\.200-10\.9\.2\.250$/m,
      /^nodes +1 up, 1 new$/m,
      /^dhcp +running +port 67 on eth9 +offers 3, ignored 1$/m,
    ],
  },
];

describe("reading commands", { concurrency: 2 }, () => {
  for (const { words, json, text } of cases) {
    it(`${words.join(" ")} for people`, async (context) => {
      const head = await fakeHead(context, answers);
      const { status, stdout, stderr } = await provision([...words, "--config", head.config]);
      assert.equal(stderr, "");
      assert.equal(status, 0);
      for (const part of text) {
        if (typeof part === "string") assert.ok(stdout.includes(part), `${part}\nis not in\n${stdout}`);
        else assert.match(stdout, part);
      }
      assert.ok(
        !stdout.includes("\u001B"),
        "no colour and no machine's control characters without a terminal",
      );
    });
    it(`${words.join(" ")} --json`, async (context) => {
      const head = await fakeHead(context, answers);
      const outcome = await provision([...words, "--json", "--config", head.config]);
      assert.equal(outcome.status, 0, outcome.stderr);
      assert.deepEqual(JSON.parse(outcome.stdout), json);
    });
  }

  it("asks the head for the range", async (context) => {
    const head = await fakeHead(context, answers);
    await provision(["list-nodes", "n[1-2],!n2", "--config", head.config]);
    await provision(["list-nodes", "--group", "compute", "--config", head.config]);
    await provision(["list-nodes", "n[1-2]", "--group", "compute", "--config", head.config]);
    await provision(["events", "n1", "--limit", "7", "--config", head.config]);
    assert.deepEqual(
      head.requests.map(({ url }) => decodeURIComponent(url)),
      [
        "/api/nodes?range=n[1-2],!n2&brief=1",
        "/api/nodes?range=@compute&brief=1",
        "/api/nodes?range=n[1-2],!all!@compute&brief=1",
        "/api/events?range=n1&limit=7",
      ],
    );
  });

  it("says on standard error that there is nothing yet, and prints nothing", async (context) => {
    const head = await fakeHead(context, {
      "GET /api/nodes": { nodes: [] },
      "GET /api/groups": { groups: [] },
      "GET /api/leases": { leases: [] },
      "GET /api/discovered": { machines: [] },
      "GET /api/images": { images: [] },
    });
    for (const [command, message] of [
      ["list-nodes", "no nodes yet; try: provision add-node"],
      ["list-groups", "no groups yet; try: provision add-group"],
      ["list-leases", "no address has been handed out yet"],
      ["list-discovered", "no unknown machine has been seen"],
      ["list-images", "no image yet; try: sudo provision build-image"],
    ] as const) {
      const { status, stdout, stderr } = await provision([command, "--config", head.config]);
      assert.equal(status, 0);
      assert.equal(stdout, "");
      assert.ok(stderr.startsWith(message), stderr);
    }
  });

  it("status fails when a part is being restarted, and when no head runs", async (context) => {
    const nfs = { name: "nfs", state: "backing-off", detail: "died 3 times", counters: {} };
    const backing = await fakeHead(context, { "GET /api/status": { ...status, parts: [nfs] } });
    const first = await provision(["status", "--config", backing.config]);
    assert.match(first.stdout, /^nfs +backing-off +died 3 times +-$/m);
    assert.equal(first.status, 1);
    const stopped = await fakeHead(context, { "GET /api/status": { ...status, running: false } });
    const second = await provision(["status", "--config", stopped.config]);
    assert.match(second.stdout, /^head +no head is running/m);
    assert.doesNotMatch(second.stdout, /PART/);
    assert.equal(second.status, 1);
  });

  it("colours only when asked to, where there is no terminal", async (context) => {
    const head = await fakeHead(context, answers);
    const always = await provision(["list-nodes", "--color", "always", "--config", head.config]);
    assert.ok(always.stdout.includes("\u001B[32mup"));
    const never = await provision(["list-nodes", "--color", "never", "--config", head.config]);
    assert.ok(!never.stdout.includes("\u001B"));
    const before = await provision(["--color", "always", "--config", head.config, "list-nodes"]);
    assert.ok(before.stdout.includes("\u001B[32mup"), "general options may also stand before the command");
  });
});
