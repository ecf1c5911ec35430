import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import type { Uuid } from "../../../server/model/machine-identity.ts";
import { diagnose } from "../../../server/tracker/diagnosis.ts";
import { kernelBytes, openBootRack } from "../../support/boot-rack.ts";

type Rack = Awaited<ReturnType<typeof openBootRack>>;

async function rackFor(t: TestContext): Promise<Rack> {
  const rack = await openBootRack(t);
  t.after(rack.close);
  return rack;
}

/** Fetches a script and the addresses in it, as iPXE would. */
async function beginBoot(rack: Rack, mac = "52-54-00-00-00-01") {
  const response = await fetch(`${rack.base}/boot/${mac}/script.ipxe`);
  const text = await response.text();
  const url = (word: string): string => new RegExp(`http\\S+/${word}`).exec(text)?.[0] ?? "";
  return {
    status: response.status,
    text,
    kernel: url("kernel"),
    initrd: url("initrd"),
    overlay: url("overlay"),
  };
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

function post(rack: Rack, path: string, bearer: string, body: object): Promise<Response> {
  return fetch(`${rack.base}/node/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function bootToken(rack: Rack): Promise<string> {
  const { overlay } = await beginBoot(rack);
  return (await (await fetch(overlay)).text()).replace("token=", "");
}

const report = {
  uptimeSeconds: 5,
  load: { average: [0, 0, 0], runnable: 0, memoryAvailableBytes: 1, cpuBusy: 0 },
};

test("a node's script names kernel, initrd and overlay, and its arguments from the general to the particular", async (t) => {
  const rack = await rackFor(t);
  const { status, text } = await beginBoot(rack);
  assert.equal(status, 200);
  assert.match(text, /^#!ipxe\n/);
  const kernel = text.split("\n").find((line) => line.startsWith("kernel "));
  assert.match(
    kernel ?? "",
    /initrd=initrd\.img initrd=overlay\.img root=nfs4:10\.0\.1\.1:\S+rootfs:ro,vers=4\.1 rw nfs\.nfs4_unique_id=[0-9a-f]{32} systemd\.hostname=n1 site=1 own=1 BOOTIF=01-/,
  );
  assert.match(text, /\|\| goto failed/);
});

test("any port of a node boots the node, in any way of writing a MAC", async (t) => {
  const rack = await rackFor(t);
  for (const mac of ["52:54:00:00:01:01", "525400000101", "52-54-00-00-01-01"]) {
    assert.match((await beginBoot(rack, mac)).text, /n1 boots debian-13/, mac);
  }
});

test("a machine known by something else than its port says whose boot it is in every path", async (t) => {
  const rack = await rackFor(t);
  const boot = await beginBoot(rack, "52-54-00-00-00-77~n1");
  assert.match(boot.text, /n1 boots debian-13[^]*BOOTIF=01-52-54-00-00-00-77/);
  for (const url of [boot.kernel, boot.initrd, boot.overlay]) {
    assert.match(url, /\/boot\/52-54-00-00-00-77~n1\//);
    assert.equal((await fetch(url)).status, 200);
  }
  assert.equal(rack.tracker.stateOf(rack.node).phase, "overlay");
  assert.deepEqual(rack.tracker.discovered(), []);
});

test("a machine that waits in its loader boots once it is added by its UUID or its switch port", async (t) => {
  const rack = await rackFor(t);
  const mac = "52:54:00:00:00:77" as Mac;
  const uuid = "4c4c4544-0042-3510-8054-b7c04f4e3732";
  const offered = {
    kind: "offered",
    client: "firmware",
    firmware: "bios",
    ip: "10.0.1.200" as Ipv4,
  } as const;
  rack.tracker.record({ ...offered, mac, atMs: Date.now(), uuid: uuid as Uuid });
  assert.match((await beginBoot(rack, "52-54-00-00-00-77")).text, /is not in the inventory/);
  assert.equal(rack.tracker.discovered()[0]?.uuid, uuid);
  await rack.inventory.addNodes({ range: "n9", uuid, ip: "10.0.1.19" });
  const boot = await beginBoot(rack, "52-54-00-00-00-77");
  assert.match(boot.text, /n9 boots debian-13/);
  assert.match(boot.overlay, /52-54-00-00-00-77~n9/);
  assert.equal((await fetch(boot.overlay)).status, 200);
  assert.deepEqual(rack.tracker.discovered(), [], "it is a node's now");
});

test("a path whose port is one node's and whose name is another's boots neither", async (t) => {
  const rack = await rackFor(t);
  await rack.inventory.addNodes({ range: "n2", macs: ["52:54:00:00:00:02"], ip: "10.0.1.12" });
  const boot = await beginBoot(rack, "52-54-00-00-00-02~n1");
  assert.match(boot.text, /is not in the inventory/);
  assert.match(boot.text, /chain --replace \S+~n1\/script\.ipxe/, "and goes on asking as what it is");
  const nonce = (await beginBoot(rack)).overlay.split("/").at(-2);
  assert.equal((await fetch(`${rack.base}/boot/52-54-00-00-00-02~n1/${nonce}/overlay`)).status, 404);
  for (const bad of ["52-54-00-00-00-02~", "52-54-00-00-00-02~n1~n2", "52-54-00-00-00-02~N_1", "n1"]) {
    assert.equal((await fetch(`${rack.base}/boot/${bad}/script.ipxe`)).status, 400, bad);
  }
});

test("files arrive whole, by ranges and by HEAD, with exact lengths; only whole ones count as fetched", async (t) => {
  const rack = await rackFor(t);
  const boot = await beginBoot(rack);
  const head = await fetch(boot.kernel, { method: "HEAD" });
  assert.equal(head.headers.get("content-length"), String(kernelBytes.length));
  const part = await fetch(boot.kernel, { headers: { range: "bytes=3-9" } });
  assert.equal(part.status, 206);
  assert.equal(await part.text(), kernelBytes.subarray(3, 10).toString());
  assert.equal((await fetch(boot.kernel, { headers: { range: "bytes=99999-" } })).status, 416);
  assert.equal(rack.tracker.stateOf(rack.node).phase, "script");
  const whole = await fetch(boot.kernel);
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), kernelBytes);
  const unchanged = await fetch(boot.kernel, {
    headers: { "if-none-match": whole.headers.get("etag") ?? "", "cache-control": "max-age=0" },
  });
  assert.equal(unchanged.status, 304);
  await (await fetch(boot.initrd)).text();
  await rack.tracker.flush();
  const events = await rack.store.newestEvents(10);
  assert.deepEqual(
    events.map(({ event }) => event.kind),
    ["script", "kernel", "initrd"],
  );
  const kernel = events[1]?.event;
  assert.ok(kernel?.kind === "kernel" && kernel.bytes === kernelBytes.length && kernel.via === "http");
});

test("kernel and initrd are of the image version that the script was written for, whatever is current by then", async (t) => {
  const rack = await rackFor(t);
  const newer = join(rack.files, "newer");
  writeFileSync(newer, "another kernel");
  const first = await beginBoot(rack);
  rack.images.set("kept", rack.image);
  rack.images.set("debian-13", { ...rack.image, version: "20260102-00000000", kernel: newer });
  assert.equal(await (await fetch(first.kernel)).text(), kernelBytes.toString());
  const second = await beginBoot(rack);
  assert.match(second.text, /n1 boots debian-13@20260102-00000000/);
  assert.equal(await (await fetch(second.kernel)).text(), "another kernel");
});

test("an image version that is gone in the middle of a boot: the loader is told, why says so, and the next boot is another's", async (t) => {
  const rack = await rackFor(t);
  const { kernel, initrd } = await beginBoot(rack);
  await (await fetch(kernel)).text();
  rack.images.set("debian-13", { ...rack.image, version: "20260102-00000000" });
  const refused = await fetch(initrd);
  assert.equal(refused.status, 404);
  const said = "the image debian-13@20260101-00000000, with which this boot began, is no longer in the store";
  assert.ok((await refused.text()).startsWith(said));
  await rack.tracker.flush();
  const events = (await rack.store.newestEvents(10)).map(({ event }) => event);
  const answer = diagnose({
    subject: "n1",
    node: rack.node,
    phase: rack.tracker.stateOf(rack.node).phase,
    phaseSinceMs: 0,
    events,
    headFaults: [],
    unknownMachines: [],
    headRuns: true,
    nowMs: events.at(-1)?.atMs ?? 0,
  });
  assert.ok(answer.summary.startsWith(`n1 cannot boot: ${said}`), answer.summary);
  assert.deepEqual(answer.findings.slice(0, 1), ['it was refused at the step "initrd" 0.0 s ago']);
  assert.equal((await fetch((await beginBoot(rack)).initrd)).status, 200);
});

test("an unknown machine is told to wait, and boots as soon as it is in the inventory", async (t) => {
  const rack = await rackFor(t);
  const { text } = await beginBoot(rack, "52-54-00-00-00-77");
  assert.match(text, /provision add-node NAME --from-discovered 52:54:00:00:00:77/);
  assert.match(text, /:again\nsleep \d+\nchain --replace http\S+52-54-00-00-00-77\/script\.ipxe/);
  await rack.inventory.addNodes({ range: "n7", macs: ["52:54:00:00:00:77"] });
  assert.match((await beginBoot(rack, "52-54-00-00-00-77")).text, /n7 boots/);
});

test("a node whose image is not there waits for it, and the timeline says so", async (t) => {
  const rack = await rackFor(t);
  rack.images.clear();
  const { text } = await beginBoot(rack);
  assert.match(text, /provision build-image debian-13/);
  await rack.tracker.flush();
  const events = await rack.store.newestEvents(10);
  assert.ok(
    events.some(
      ({ event }) =>
        event.kind === "refused" &&
        event.step === "script" &&
        /debian-13 is not in the store/.test(event.message),
    ),
  );
});

test("a script is never of yesterday: node, group, image and template change it at once", async (t) => {
  const rack = await rackFor(t);
  const text = async (): Promise<string> =>
    (await beginBoot(rack)).text.replaceAll(/\/[0-9a-f]{40}\//g, "/N/");
  const before = await text();
  assert.equal(await text(), before);
  await rack.inventory.setNodes({ range: "n1", kernelArguments: ["own=2"] });
  assert.match(await text(), / own=2 /);
  await rack.inventory.setNodes({ range: "n1", groups: ["compute"] });
  await rack.inventory.setGroup({ name: "compute", kernelArguments: ["group=1"] });
  assert.match(await text(), / group=1 own=2 /);
  rack.images.set("debian-13", { ...rack.image, version: "20260102-00000000", kernelArguments: ["ro"] });
  assert.match(await text(), /boots debian-13@20260102-00000000[^]* ro /);
  appendFileSync(join(rack.templates, "boot.ipxe.hbs"), "# more\n");
  assert.match(await text(), /# more\n$/);
});

test("when as many load as may, the next waits in its loader, is told so, and goes on when a turn is free", async (t) => {
  const rack = await openBootRack(t, undefined, { turns: { machines: 1 } });
  t.after(rack.close);
  await rack.inventory.addNodes({ range: "n2", macs: ["52:54:00:00:00:02"], ip: "10.0.1.12" });
  const n2 = rack.directory.byName("n2");
  assert.ok(n2 !== undefined);
  const first = await beginBoot(rack);
  await beginBoot(rack, "52-54-00-00-00-77");
  for (let count = 0; count < 3; count += 1) {
    const { status, text } = await beginBoot(rack, "52-54-00-00-00-02");
    assert.equal(status, 200);
    assert.match(
      text,
      /^#!ipxe\n[^]*n2 waits for its turn[^]*: 0 before it\n:again\nsleep \d+\nchain --replace \S+00-02\/script\.ipxe \|\| goto again\n$/,
    );
  }
  assert.equal(rack.desk.placeOf(n2), 0);
  const { loading, waiting } = rack.desk.counters();
  assert.deepEqual({ loading, waiting }, { loading: 1, waiting: 1 }, "an unknown machine takes no turn");
  await (await fetch(first.overlay)).arrayBuffer();
  assert.match((await beginBoot(rack, "52-54-00-00-00-02")).text, /n2 boots/);
  await rack.tracker.flush();
  const events = (await rack.store.newestEvents(20)).filter(({ nodeId }) => nodeId === n2.id);
  assert.deepEqual(
    events.map(({ event }) => event.kind),
    ["waiting", "script"],
    "told once, not at every question",
  );
});

test("a download that was broken off and goes on where it was ends as a whole one does; other parts do not", async (t) => {
  const rack = await rackFor(t);
  const boot = await beginBoot(rack);
  for (const range of ["bytes=0-99", "bytes=100-5999", "bytes=-1"])
    await (await fetch(boot.kernel, { headers: { range } })).arrayBuffer();
  assert.equal(rack.tracker.stateOf(rack.node).phase, "script");
  await (await fetch(boot.kernel, { headers: { range: "bytes=100-" } })).arrayBuffer();
  assert.equal(rack.tracker.stateOf(rack.node).phase, "kernel");
});

test("kill -9 between script and kernel: the next head goes on with the boot, and with its token", async (t) => {
  const first = await openBootRack(t);
  const boot = await beginBoot(first);
  const [kernel, overlay] = [boot.kernel, boot.overlay].map((url) => new URL(url).pathname);
  await first.kill();
  const second = await openBootRack(t, first.state);
  assert.equal((await fetch(second.base + kernel)).status, 200);
  const token = (await (await fetch(second.base + overlay)).text()).replace("token=", "");
  await second.kill();
  const third = await openBootRack(t, first.state);
  t.after(third.close);
  assert.equal((await post(third, "n1/phase", token, { phase: "starting" })).status, 204);
  assert.equal((await post(third, "n1/credential", token, { credentialDigest: digest("mine") })).status, 204);
  assert.equal((await fetch(third.base + overlay)).status, 403);
});

test("a missing kernel is a 404 that the timeline tells", async (t) => {
  const rack = await rackFor(t);
  const boot = await beginBoot(rack);
  rmSync(rack.image.kernel);
  assert.equal((await fetch(boot.kernel)).status, 404);
  await rack.tracker.flush();
  const events = await rack.store.newestEvents(10);
  assert.ok(
    events.some(
      ({ event }) =>
        event.kind === "refused" && event.step === "kernel" && /vmlinuz is missing/.test(event.message),
    ),
  );
});

for (const [what, path, status] of [
  ["an identity that is no MAC", "/boot/n1/script.ipxe", 400],
  ["an identity with a path in it", "/boot/..%2f..%2fetc/script.ipxe", 400],
  ["a group address", "/boot/01-00-5e-00-00-01/script.ipxe", 400],
  [
    "a boot that never was",
    "/boot/52-54-00-00-00-01/0123456789abcdef/debian-13/20260101-00000000/kernel",
    404,
  ],
  ["a file of nobody's", "/boot/52-54-00-00-00-77/0123456789abcdef/debian-13/20260101-00000000/kernel", 404],
  ["a loader that is none", "/boot/52-54-00-00-00-01/loader/passwd", 404],
  ["a loader with a path in it", "/boot/52-54-00-00-00-01/loader/..%2f..%2fetc%2fpasswd", 404],
] as const) {
  test(`refused: ${what}`, async (t) => {
    const rack = await rackFor(t);
    const response = await fetch(rack.base + path);
    assert.equal(response.status, status);
    assert.equal(response.headers.get("content-type")?.split(";")[0], "text/plain");
  });
}

test("a loader is served by HTTP and counts as fetched", async (t) => {
  const rack = await rackFor(t);
  const response = await fetch(`${rack.base}/boot/52-54-00-00-00-01/loader/snponly.efi`);
  assert.equal(await response.text(), "loader");
  assert.equal(rack.tracker.stateOf(rack.node).phase, "loader");
});

test("a token is spent once; the same request again is accepted, any other is refused and told", async (t) => {
  const rack = await rackFor(t);
  const token = await bootToken(rack);
  assert.equal((await post(rack, "n1/report", token, report)).status, 403, "a token is no credential");
  assert.equal((await post(rack, "n1/credential", token, { credentialDigest: digest("mine") })).status, 204);
  assert.equal((await post(rack, "n1/credential", token, { credentialDigest: digest("mine") })).status, 204);
  assert.equal((await post(rack, "n1/credential", token, { credentialDigest: digest("thief") })).status, 403);
  assert.equal((await post(rack, "n1/report", "mine", report)).status, 204);
  assert.equal((await post(rack, "n1/report", "thief", report)).status, 403);
  assert.equal(rack.tracker.stateOf(rack.node).phase, "up");
  await rack.tracker.flush();
  assert.ok(
    (await rack.store.newestEvents(20)).some(
      ({ event }) => event.kind === "refused" && event.step === "credential",
    ),
  );
});

test("once a node has its credential nobody else is given that boot's files", async (t) => {
  const rack = await rackFor(t);
  const { overlay } = await beginBoot(rack);
  const token = (await (await fetch(overlay)).text()).replace("token=", "");
  await post(rack, "n1/credential", token, { credentialDigest: digest("mine") });
  assert.equal((await fetch(overlay)).status, 403);
});

test("a boot that was begun again makes the first one's files and token void", async (t) => {
  const rack = await rackFor(t);
  const { overlay, kernel } = await beginBoot(rack);
  const old = (await (await fetch(overlay)).text()).replace("token=", "");
  await beginBoot(rack);
  assert.equal((await fetch(kernel)).status, 404);
  assert.equal((await post(rack, "n1/credential", old, { credentialDigest: digest("mine") })).status, 403);
});

test("tokens and credentials outlive the head, and the token of a boot is the same after it", async (t) => {
  const first = await openBootRack(t);
  const { overlay } = await beginBoot(first);
  const path = new URL(overlay).pathname;
  const token = (await (await fetch(overlay)).text()).replace("token=", "");
  await first.close();
  const second = await openBootRack(t, first.state);
  assert.equal((await (await fetch(second.base + path)).text()).replace("token=", ""), token);
  assert.equal(
    (await post(second, "n1/credential", token, { credentialDigest: digest("mine") })).status,
    204,
  );
  await second.close();
  const third = await openBootRack(t, first.state);
  t.after(third.close);
  assert.equal((await post(third, "n1/report", "mine", report)).status, 204);
});

for (const [what, path, body, status] of [
  ["a node that is not there", "n9/phase", { phase: "root" }, 403],
  ["a phase that is none", "n1/phase", { phase: "dancing" }, 400],
  ["a report that is no report", "n1/report", { load: 5 }, 403],
  ["a digest that is none", "n1/credential", { credentialDigest: "x" }, 400],
] as const) {
  test(`a node's report is refused: ${what}`, async (t) => {
    const rack = await rackFor(t);
    const token = await bootToken(rack);
    assert.equal((await post(rack, path, token, body)).status, status);
  });
}

test("a wrong token moves nothing", async (t) => {
  const rack = await rackFor(t);
  await beginBoot(rack);
  assert.equal((await post(rack, "n1/phase", "0".repeat(64), { phase: "up" })).status, 403);
  assert.equal((await fetch(`${rack.base}/node/n1/phase`, { method: "POST", body: "{}" })).status, 403);
  assert.equal(rack.tracker.stateOf(rack.node).phase, "script");
});

test("phases of the initrd are taken with the boot token and say when and why", async (t) => {
  const rack = await rackFor(t);
  const token = await bootToken(rack);
  for (const body of [
    { phase: "starting", uptimeSeconds: 9, message: "network up" },
    { phase: "root", uptimeSeconds: 20.5 },
  ]) {
    assert.equal((await post(rack, "n1/phase", token, body)).status, 204);
  }
  assert.equal(rack.tracker.stateOf(rack.node).phase, "root");
  await post(rack, "n1/phase", token, { phase: "failed", message: "mount: refused" });
  assert.equal(rack.tracker.stateOf(rack.node).phase, "failed");
});

test("a body that is broken or too large is refused as such", async (t) => {
  const rack = await rackFor(t);
  const token = await bootToken(rack);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const send = (body: string): Promise<Response> =>
    fetch(`${rack.base}/node/n1/phase`, { method: "POST", headers, body });
  assert.equal((await send("{")).status, 400);
  const large = await send(JSON.stringify({ phase: "failed", message: "x".repeat(400_000) }));
  assert.equal(large.status, 400);
  assert.match(await large.text(), /too large/);
});
