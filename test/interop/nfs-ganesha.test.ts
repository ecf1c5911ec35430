import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import type { NfsStatus } from "../../server/nfs/server.ts";

/**
 * NFS-Ganesha under our supervisor, in a network namespace, asked by libnfs's programs (Debian's libnfs-utils), which
 * speak NFSv4 without the kernel. Needs root.
 */
const namespace = `provision-nfs-${process.pid}`;
const address = "10.77.9.1";
const directory = mkdtempSync("/tmp/provision-nfs-");
const images = path.join(directory, "images");
const shared = path.join(directory, "shared");
const root = path.join(images, "debian-13/20260101-00000000/rootfs");

const config = {
  address,
  networks: [{ subnet: { base: "10.99.0.0", bits: 24 } }, { subnet: { base: "10.77.9.0", bits: 24 } }],
  imageStore: images,
  sharedDirectory: shared,
  stateDirectory: path.join(directory, "state"),
  nfs: { backend: "auto" },
  ports: { dhcp: 67, bootServer: 4011, tftp: 69, http: 8080, nfs: 2049 },
};

class Head {
  readonly process: ReturnType<typeof inNamespace>;
  readonly #lines: AsyncIterator<string>;

  constructor(overrides: object = {}) {
    const driver = fileURLToPath(import.meta.resolve("../support/nfs-head-driver.ts"));
    const settings = JSON.stringify({ ...config, ...overrides });
    this.process = inNamespace(process.execPath, [driver, settings], { buffer: false });
    heads.push(this);
    this.#lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  async answer<T>(): Promise<T> {
    const line = await this.#lines.next();
    return JSON.parse(String(line.value)) as T;
  }

  ask<T>(command: string): Promise<T> {
    this.process.stdin.write(`${command}\n`);
    return this.answer<T>();
  }

  status(): Promise<NfsStatus> {
    return this.ask("status");
  }

  /** As the machine's loss of power would, for the process alone. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process;
  }
}

const heads: Head[] = [];

function inNamespace(
  file: string,
  args: readonly string[],
  options: { buffer?: false; timeout?: number } = {},
) {
  return execa("ip", ["netns", "exec", namespace, file, ...args], { all: true, reject: false, ...options });
}

/** libnfs's programs end with 0 after some failures: what counts is what they print. */
async function client(program: string, ...args: readonly string[]): Promise<string> {
  const result = await inNamespace(program, args, { timeout: 20_000 });
  return String(result.all);
}

function url(file: string): string {
  return `nfs://${address}${file}?version=4`;
}

function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

async function until<T>(
  what: string,
  seconds: number,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  for (let attempt = 0; attempt < seconds * 10; attempt += 1) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await sleep(100);
  }
  throw new Error(`${what}: not within ${seconds} s`);
}

async function ganeshas(): Promise<string> {
  return (await execa("pgrep", ["-f", `ganesha.nfsd.*${directory}/`], { reject: false })).stdout;
}

before(async () => {
  chmodSync(directory, 0o755);
  mkdirSync(root, { recursive: true });
  writeFileSync(path.join(root, "secret"), "of root\n", { mode: 0o600 });
  await execa("ip", ["netns", "add", namespace]);
  await inNamespace("ip", ["link", "set", "lo", "up"]);
  await inNamespace("ip", ["address", "add", `${address}/24`, "dev", "lo"]);
});

after(async () => {
  for (const head of heads) head.process.kill("SIGKILL");
  const left = (await ganeshas()).split("\n").filter((pid) => pid !== "");
  for (const pid of left) process.kill(Number(pid), "SIGKILL");
  await execa("ip", ["netns", "delete", namespace], { reject: false });
  rmSync(directory, { recursive: true, force: true });
});

describe("NFS-Ganesha under the supervisor", { timeout: 180_000 }, () => {
  let head: Head;
  let status: NfsStatus;

  it("starts, answers and serves both exports", async () => {
    head = new Head();
    status = await head.answer<NfsStatus>();
    assert.equal(status.state, "running");
    assert.equal(status.backend, "ganesha");
    const checks = await head.ask<{ path: string; ok: boolean }[]>("check");
    assert.deepEqual(checks, [
      { path: images, ok: true },
      { path: shared, ok: true },
    ]);
    assert.equal(statSync(shared).mode & 0o7777, 0o1777);
  });

  it("lets root of a node read a root file system, and write nothing into it", async () => {
    assert.equal(await client("nfs-cat", url(`${root}/secret`)), "of root");
    writeFileSync(path.join(directory, "input"), "written\n");
    const refused = await client("nfs-cp", path.join(directory, "input"), url(`${root}/new`));
    assert.match(refused, /NFS4ERR_ROFS/);
    assert.equal(existsSync(path.join(root, "new")), false);
  });

  it("lets nodes write into the shared directory, root of a node as nobody", async () => {
    const copied = await client("nfs-cp", path.join(directory, "input"), url(`${shared}/file`));
    assert.match(copied, /copied 8 bytes/);
    assert.equal(await client("nfs-cat", url(`${shared}/file`)), "written");
    const { uid, gid } = statSync(path.join(shared, "file"));
    assert.deepEqual({ uid, gid }, { uid: 65534, gid: 65534 });
    writeFileSync(path.join(shared, "of-root"), "mine\n", { mode: 0o600 });
    assert.match(await client("nfs-cat", url(`${shared}/of-root`)), /NFS4ERR_ACCESS/);
  });

  it("believes no mere user of a node who he is", async () => {
    const claim = `${url(`${root}/secret`)}&uid=0&gid=0`;
    assert.equal(await client("nfs-cat", claim), "of root");
    const asUser = await client("setpriv", "--reuid", "1000", "--clear-groups", "nfs-cat", claim);
    assert.doesNotMatch(asUser, /of root/);
    assert.match(asUser, /fail|denied|NFS4ERR/i);
  });

  it("shows a new image version without a reload", async () => {
    const parent = path.join(images, "debian-13");
    assert.doesNotMatch(await client("nfs-ls", url(parent)), /20260102/);
    mkdirSync(path.join(parent, "20260102-00000000/rootfs"), { recursive: true });
    writeFileSync(path.join(parent, "20260102-00000000/rootfs/file"), "second\n");
    const text = await until("the new version", 3, async () => {
      const seen = await client("nfs-cat", url(`${parent}/20260102-00000000/rootfs/file`));
      return seen === "second" ? seen : undefined;
    });
    assert.equal(text, "second");
  });

  it("starts a killed server again", async () => {
    const before = Number(status.pid);
    process.kill(before, "SIGKILL");
    status = await until("the restart", 15, async () => {
      const now = await head.status();
      return now.state === "running" && now.pid !== before ? now : undefined;
    });
    assert.equal(status.restarts, 1);
    assert.equal(status.lastExit?.description, "killed by SIGKILL");
    assert.equal(await client("nfs-cat", url(`${root}/secret`)), "of root");
  });

  it("leaves the server running when the head is killed, and the next head takes it over", async () => {
    const pid = Number(status.pid);
    await head.kill();
    assert.equal(alive(pid), true);
    assert.equal(await client("nfs-cat", url(`${root}/secret`)), "of root");
    head = new Head();
    status = await head.answer<NfsStatus>();
    assert.equal(status.pid, pid);
    assert.equal(status.state, "running");
    assert.equal(status.restarts, 0);
  });

  it("notices the end of a server it has taken over", async () => {
    const before = Number(status.pid);
    process.kill(before, "SIGKILL");
    status = await until("the restart", 15, async () => {
      const now = await head.status();
      return now.state === "running" && now.pid !== before ? now : undefined;
    });
    assert.match(status.lastExit?.description ?? "", /started by an earlier head/);
  });

  it("ends a server that hangs, and starts it again", async () => {
    const before = Number(status.pid);
    process.kill(before, "SIGSTOP");
    status = await until("the restart", 60, async () => {
      const now = await head.status();
      return now.state === "running" && now.pid !== before ? now : undefined;
    });
    assert.equal(alive(before), false);
    assert.match(status.lastExit?.description ?? "", /does not answer any more: no answer within 5 s/);
    assert.equal(await client("nfs-cat", url(`${root}/secret`)), "of root");
  });

  it("starts anew when the configuration has changed meanwhile", async () => {
    const before = Number(status.pid);
    await head.kill();
    head = new Head({ networks: [{ subnet: { base: "10.88.0.0", bits: 24 } }] });
    status = await head.answer<NfsStatus>();
    assert.notEqual(status.pid, before);
    assert.equal(alive(before), false);
    // Nobody outside the subnet sees anything: here, the head itself.
    assert.doesNotMatch(await client("nfs-cat", url(`${root}/secret`)), /of root/);
    const checks = await head.ask<{ ok: boolean }[]>("check");
    assert.deepEqual(
      checks.map((check) => check.ok),
      [false, false],
    );
    assert.match((await head.status()).message ?? "", /is not served/);
  });

  it("leaves nothing behind when it is stopped in order", async () => {
    const pid = Number(status.pid);
    status = await head.ask<NfsStatus>("stop");
    await head.process;
    assert.equal(status.state, "stopped");
    assert.equal(alive(pid), false);
    assert.equal(await ganeshas(), "");
    assert.equal(existsSync(path.join(directory, "state/nfs/child.json")), false);
  });

  it("names the process that has its port", async () => {
    const code = `require("net").createServer().listen(2049, "${address}", () => console.log("ready"))`;
    const other = inNamespace(process.execPath, ["-e", code]);
    await once(other.stdout, "data");
    head = new Head();
    const failed = await head.answer<{ error: string; hint: string }>();
    other.kill("SIGKILL");
    await other;
    assert.match(failed.error, /^NFS port 2049 is taken by \S+ \(process \d+\)$/);
    assert.match(failed.hint, /ports\.nfs/);
  });
});
