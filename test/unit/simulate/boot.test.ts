import assert from "node:assert/strict";
import { test } from "node:test";
import { newcArchive } from "../../../server/nodeconfig/cpio.ts";
import { readArchive } from "../../../server/simulate/overlay-archive.ts";
import { bootEnvironment } from "../../../server/simulate/system.ts";
import { BootFailure, type Effect, type Event, walkPhases } from "../../../server/simulate/effects.ts";
import type { TranscriptEntry } from "../../../server/simulate/spec.ts";
import { walk } from "../../../server/simulate/walk.ts";
import { nodeOf, Scene } from "../../support/dhcp-scene.ts";
import { machineOf, textReply } from "../../support/walk-scene.ts";

const archive = newcArchive([
  {
    kind: "file",
    path: "/provision/boot.env",
    mode: 0o600,
    content: Buffer.from("PROVISION_URL='http://10.77.0.1:8080/node/n001'\nPROVISION_TOKEN=t0ken\n"),
  },
  { kind: "file", path: "/provision/root/etc/hostname", mode: 0o644, content: Buffer.from("n001\n") },
]);

const script = `#!ipxe
kernel --name vmlinuz http://10.77.0.1:8080/k initrd=initrd.img quiet || goto failed
initrd --name initrd.img http://10.77.0.1:8080/i
initrd --name overlay.img http://10.77.0.1:8080/o
boot
:failed
`;

/** A head of which DHCP is the real one's decisions, and the rest a stand-in. */
class Head {
  readonly posts: string[] = [];
  readonly #scene = new Scene();
  readonly change: Record<string, Event>;

  constructor(change: Record<string, Event> = {}) {
    this.#scene.nodes.push(nodeOf("n001", "10.77.0.11", ["52:54:00:00:04:01"]));
    this.change = change;
  }

  perform = (effect: Effect): Event => {
    switch (effect.kind) {
      case "dhcp": {
        const { wire } = effect.packet === undefined ? {} : this.#scene.send(effect.packet);
        return wire === undefined ? { kind: "timeout" } : { kind: "dhcp", packet: wire };
      }
      case "tftp":
        return tftp(effect);
      case "http":
        return this.#http(effect.request.method, effect.request.url, effect);
      default:
        return { kind: "done" };
    }
  };

  #http(method: string, url: string, effect: Effect & { kind: "http" }): Event {
    const path = new URL(url).pathname;
    const changed = this.change[path];
    if (changed !== undefined) return changed;
    if (method === "POST") {
      this.posts.push(`${path} ${effect.request.headers["Authorization"]} ${effect.request.body}`);
      return textReply("", 204);
    }
    if (path.endsWith("script.ipxe")) return textReply(script);
    if (path === "/o") {
      return { kind: "http", status: 200, lengthBytes: archive.length, bytes: archive.length, body: archive };
    }
    return {
      kind: "http",
      status: 200,
      lengthBytes: 5000,
      bytes: method === "HEAD" ? 0 : 5000,
      body: new Uint8Array(),
    };
  }
}

function tftp({ packet, waitMs }: Effect & { kind: "tftp" }): Event {
  if (waitMs === 0) return { kind: "done" };
  if (packet?.kind === "rrq" && packet.path.endsWith("autoexec.ipxe")) {
    return { kind: "tftp", packet: { kind: "error", code: 1, message: "file not found" } };
  }
  if (packet?.kind === "rrq" && packet.options[0]?.name === "tsize") {
    return { kind: "tftp", packet: { kind: "oack", options: [{ name: "tsize", value: "100" }] } };
  }
  return { kind: "tftp", packet: { kind: "data", block: 1, data: new Uint8Array(100) } };
}

for (const firmware of ["bios", "uefi", "http"] as const) {
  test(`${firmware}: from power on to up, through every phase`, async () => {
    const head = new Head();
    let clock = 0;
    const reached: string[] = [];
    const outcome = await walk("n001", machineOf(firmware), {
      perform: head.perform,
      nowMs: () => (clock += 1),
      reached: (phase) => reached.push(phase),
    });
    assert.equal(outcome.failure, undefined);
    assert.deepEqual([...new Set(reached)], [...walkPhases]);
    assert.deepEqual(Object.keys(outcome.phaseMs).toSorted(), [...walkPhases].toSorted());
    assert.deepEqual(
      head.posts.map((post) =>
        /^(\S+ Bearer \S+) .*?"(?:phase":"(\w+)|(\w+))/.exec(post)?.slice(1).join(" ").trim(),
      ),
      [
        "/node/n001/phase Bearer t0ken starting",
        "/node/n001/phase Bearer t0ken root",
        "/node/n001/credential Bearer t0ken  credentialDigest",
        `/node/n001/phase Bearer ${"c".repeat(64)} up`,
        `/node/n001/report Bearer ${"c".repeat(64)}  uptimeSeconds`,
      ],
    );
  });
}

test("the transcript has each packet by its options' names, the script, and the kernel's command line", async () => {
  const entries: TranscriptEntry[] = [];
  await walk("n001", machineOf("uefi"), {
    perform: new Head().perform,
    nowMs: () => 0,
    entry: (entry) => entries.push(entry),
  });
  const text = entries.map(({ mark, title, text: body = "" }) => `${mark} ${title}\n${body}`).join("\n");
  assert.match(
    text,
    /> DHCP DISCOVER, broadcast\n[^>]*60 {5}vendor-class "PXEClient:Arch:00007:UNDI:003000"/,
  );
  assert.match(text, /< DHCP ACK\n[^>]*67 {5}boot-file "boot\/52-54-00-00-04-01\/loader\/snponly.efi"/);
  assert.match(
    text,
    /> TFTP RRQ boot\/52-54-00-00-04-01\/loader\/snponly.efi octet tsize=0 blksize=1468 windowsize=4/,
  );
  assert.match(text, /100 bytes in 1 blocks of 512/);
  assert.match(text, /< HTTP 200, \d+ bytes in .*\n#!ipxe\nkernel --name/);
  assert.match(text, /- kernel command line\ninitrd=initrd.img quiet/);
  assert.match(text, /0600 +\d+ {2}\/provision\/boot.env/);
  assert.doesNotMatch(text, /t0ken|PROVISION_TOKEN/);
});

test("where a boot ends, the outcome says in which phase and why", async () => {
  const head = new Head({ "/k": textReply("the image debian-13 is not in the store\n", 404) });
  const outcome = await walk("n001", machineOf("bios", { firstFailureEnds: true }), {
    perform: head.perform,
    nowMs: () => 0,
  });
  assert.equal(outcome.phase, "kernel");
  assert.match(outcome.failure?.message ?? "", /HTTP status 404: the image debian-13 is not in the store/);
});

test("an overlay is read as the kernel unpacks it, and one that is cut off or lacks the token ends in words", () => {
  const files = readArchive(archive);
  assert.deepEqual(
    files.map(({ path, mode }) => [path, mode]),
    [
      ["/provision/boot.env", 0o600],
      ["/provision/root/etc/hostname", 0o644],
    ],
  );
  assert.deepEqual(bootEnvironment(files), { url: "http://10.77.0.1:8080/node/n001", token: "t0ken" });
  assert.throws(() => bootEnvironment(files.slice(1)), /no \/provision\/boot.env/);
  const end = Buffer.from(archive).indexOf("TRAILER!!!") - 110;
  for (let length = 0; length <= end; length += 1) {
    assert.throws(() => readArchive(archive.subarray(0, length)), BootFailure, `${length} bytes`);
  }
});
