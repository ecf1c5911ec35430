import assert from "node:assert/strict";
import { mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { StatusAnswer, WhyAnswer } from "../../server/model/answers.ts";
import { createHeadProcess, type HeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const url = "http://10.77.0.1:8080";
const loader = `${url}/boot/52-54-00-77-00-01/loader/snponly.efi`;

async function headFor(t: TestContext, boot: object = {}) {
  const directory = temporaryDirectory(t);
  const rack = await createRack({ clients: [{ name: "b", address: "10.77.0.5/24" }] });
  const head = createHeadProcess(rack, directory);
  writeFileSync(head.config, `${readFileSync(head.config, "utf8")}\nboot: ${JSON.stringify(boot)}\n`);
  t.after(async () => {
    await head.stop("SIGKILL");
    await rack.dispose();
  });
  storeImage(join(directory, "images/debian-13"));
  await head.start();
  const curl = async (...argv: string[]): Promise<string> =>
    (await rack.exec(rack.client("b"), ["curl", "-sS", "-m", "25", ...argv])).stdout;
  return { rack, head, directory, curl };
}

/** An image with a kernel and an initrd of noise. */
function storeImage(directory: string): void {
  const version = "20260101-00000000";
  mkdirSync(join(directory, version, "rootfs/usr"), { recursive: true });
  writeFileSync(join(directory, version, "vmlinuz"), noise(300_000, 1));
  writeFileSync(join(directory, version, "initrd.img"), noise(3_000_000, 2));
  const manifest = {
    name: "debian-13",
    version,
    architecture: "amd64",
    suite: "trixie",
    kernelVersion: "6.12",
    kernelArguments: [],
    builtAtMs: 0,
    inputsDigest: "0".repeat(64),
    rootDigest: "0".repeat(64),
    bytes: 1,
    node: { sha256: "0" },
    packages: {},
  };
  writeFileSync(join(directory, version, "manifest.json"), JSON.stringify(manifest));
  symlinkSync(version, join(directory, "current"));
}

function noise(bytes: number, seed: number): Buffer {
  let state = seed;
  return Buffer.from(
    Uint32Array.from({ length: bytes / 4 }, () => (state = (state * 1_103_515_245 + 12_345) >>> 0)).buffer,
  );
}

async function addNodes(head: HeadProcess, range: string, mac: string): Promise<void> {
  const { exitCode, stderr } = await head.provision("add-node", range, "--mac", mac);
  assert.equal(exitCode, 0, stderr);
}

test("curl: HTTP/1.0, one connection for several files, ranges, conditions and HEAD", async (t) => {
  const { curl, directory } = await headFor(t);
  const whole = readFileSync(join(directory, "loaders/snponly.efi"));
  const [one, two] = [join(directory, "one"), join(directory, "two")];
  await curl("-f", "--http1.0", "-o", one, loader);
  assert.deepEqual(readFileSync(one), whole);
  const connections = await curl("-f", "-w", "%{num_connects} ", "-o", one, loader, "-o", two, loader);
  assert.equal(connections.trim(), "1 0");
  assert.equal(await curl("-f", "-r", "10-19", loader), whole.subarray(10, 20).toString());
  assert.equal(await curl("-f", "-r", "-7", loader), whole.subarray(-7).toString());
  const head = await curl("-I", loader);
  assert.match(head, new RegExp(`content-length: ${whole.length}`, "i"));
  const etag = /etag: (?<etag>"[^"]+")/i.exec(head)?.groups?.["etag"] ?? "";
  const code = ["-o", "/dev/null", "-w", "%{http_code}"];
  assert.equal(await curl(...code, "-H", `If-None-Match: ${etag}`, loader), "304");
  assert.equal(await curl(...code, "-z", join(directory, "loaders/snponly.efi"), loader), "304");
  assert.equal(await curl(...code, "-r", "5-", "-H", `If-Range: ${etag}`, loader), "206");
  assert.equal(await curl(...code, "-r", "5-", "-H", 'If-Range: "other"', loader), "200");
  assert.equal(await curl(...code, "-r", "9999999-", loader), "416");
  assert.equal(await curl(...code, "-X", "PUT", "-d", "x", loader), "405");
  assert.equal(await curl(...code, "--path-as-is", loader.replace("8080/", "8080//")), "200");
});

test("a loader that is replaced during a download: that one ends as it began, the next is the new one", async (t) => {
  const { curl, directory } = await headFor(t);
  const place = join(directory, "loaders/snponly.efi");
  const [old, fresh] = [noise(12_000_000, 3), noise(12_000_000, 4)];
  writeFileSync(place, old);
  const target = join(directory, "fetched");
  const fetching = curl("-f", "--limit-rate", "6M", "-o", target, loader);
  while ((statSync(target, { throwIfNoEntry: false })?.size ?? 0) < 1_000_000) await delay(10);
  writeFileSync(`${place}.new`, fresh);
  renameSync(`${place}.new`, place);
  await fetching;
  assert.ok(readFileSync(target).equals(old));
  await delay(250); // names are looked up again every 200 ms
  await curl("-f", "-o", target, loader);
  assert.ok(readFileSync(target).equals(fresh));
});

test("kill -9 between script and kernel: the boot goes on under the next head", async (t) => {
  const { curl, head, directory } = await headFor(t);
  await addNodes(head, "n1", "52:54:00:00:00:01");
  const script = await curl("-f", `${url}/boot/52-54-00-00-00-01/script.ipxe`);
  await head.stop("SIGKILL");
  await head.start();
  for (const [file, name] of [
    ["kernel", "vmlinuz"],
    ["initrd", "initrd.img"],
  ] as const) {
    const [place] = new RegExp(`http\\S+/${file}`).exec(script) ?? [];
    await curl("-f", "-o", join(directory, file), place ?? "");
    const stored = readFileSync(join(directory, "images/debian-13/20260101-00000000", name));
    assert.ok(readFileSync(join(directory, file)).equals(stored));
  }
  const [overlay] = /http\S+\/overlay/.exec(script) ?? [];
  await curl("-f", "-o", join(directory, "overlay"), overlay ?? "");
  assert.ok(statSync(join(directory, "overlay")).size > 1000);
});

test("a machine that waits for its turn is told so, and `status` and `why` tell it", async (t) => {
  const { curl, head } = await headFor(t, { concurrent: 1 });
  await addNodes(head, "n[1-3]", "52:54:00:00:00:01+");
  const script = (n: number): Promise<string> => curl("-f", `${url}/boot/52-54-00-00-00-0${n}/script.ipxe`);
  assert.match(await script(1), /n1 boots/);
  assert.match(await script(2), /n2 waits for its turn at \S+: 0 before it/);
  assert.match(await script(3), /n3 waits for its turn at \S+: 1 before it/);
  const status = JSON.parse((await head.provision("status", "--json")).stdout) as StatusAnswer;
  const counters = status.parts.find(({ name }) => name === "http")?.counters;
  assert.deepEqual([counters?.["loading"], counters?.["waiting"]], [1, 2]);
  const why = JSON.parse((await head.provision("why", "n3", "--json")).stdout) as WhyAnswer;
  assert.match(why.summary, /n3 is waiting for its turn: 1 before it/);
  const { stdout } = await head.provision("events");
  assert.match(stdout, /n3.*waiting for its turn: 1 before it/);
});
