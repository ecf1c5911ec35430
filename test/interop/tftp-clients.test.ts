import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { type Rack, type RackHost, createRack } from "../support/netns.ts";

/**
 * Independent TFTP clients fetch files from our server, each in a namespace of its own: tftp-hpa, atftp, curl, busybox
 * and the npm package `tftp`. Needs root and Debian's tftp-hpa, atftp, curl, busybox, nftables and iproute2.
 */
const head = "10.77.0.1";
const support = join(import.meta.dirname, "../support");
const place = mkdtempSync(join(tmpdir(), "tftp-clients-"));
const root = join(place, "root");
const sizes = [0, 1, 511, 512, 513, 1468 * 3, 5 * 1024 * 1024];
const lossySize = 256 * 1024;

/** The command that fetches `remote` into the file `local`, or sends `local` as `remote`. */
type ClientProgram = {
  /** Left out: what the program itself cannot do. */
  without?: number;
  get: (remote: string, local: string) => string[];
  put: (local: string, remote: string) => string[];
};

function atftp(...options: string[]): ClientProgram {
  const common = options.flatMap((option) => ["--option", option]);
  return {
    get: (remote, local) => ["atftp", ...common, "-g", "-r", remote, "-l", local, head],
    put: (local, remote) => ["atftp", ...common, "-p", "-l", local, "-r", remote, head],
  };
}

function curl(...options: string[]): ClientProgram {
  return {
    get: (remote, local) => ["curl", "-sS", ...options, "-o", local, `tftp://${head}/${remote}`],
    put: (local, remote) => ["curl", "-sv", ...options, "-T", local, `tftp://${head}/${remote}`],
  };
}

function npmTftp(blockBytes: number, windowBlocks: number): ClientProgram {
  const driver = [process.execPath, "--no-deprecation", join(support, "npm-tftp-driver.ts")];
  const terms = [String(blockBytes), String(windowBlocks)];
  return {
    get: (remote, local) => [...driver, "get", head, remote, local, ...terms],
    put: (local, remote) => [...driver, "put", head, local, remote, ...terms],
  };
}

const programs: Record<string, ClientProgram> = {
  "tftp-hpa": {
    get: (remote, local) => ["tftp", "-m", "binary", head, "-c", "get", remote, local],
    put: (local, remote) => ["tftp", "-m", "binary", head, "-c", "put", local, remote],
  },
  atftp: atftp(),
  "atftp with blksize": atftp("blksize 1428"),
  "atftp with blksize and windowsize": atftp("blksize 1428", "windowsize 8"),
  // curl takes the size of an empty file, "tsize=0", for malformed, and fetches it only without options.
  curl: { ...curl(), without: 0 },
  "curl with a block larger than a frame": { ...curl("--tftp-blksize", "8192"), without: 0 },
  "curl without options": curl("--tftp-no-options"),
  busybox: {
    get: (remote, local) => ["busybox", "tftp", "-g", "-r", remote, "-l", local, head],
    put: (local, remote) => ["busybox", "tftp", "-p", "-l", local, "-r", remote, head],
  },
  "busybox with blksize": {
    get: (remote, local) => ["busybox", "tftp", "-b", "1468", "-g", "-r", remote, "-l", local, head],
    put: (local, remote) => ["busybox", "tftp", "-b", "1468", "-p", "-l", local, "-r", remote, head],
  },
  "npm tftp": npmTftp(1468, 1),
  "npm tftp with windowsize": npmTftp(1468, 8),
};

let rack: Rack;
let lines: AsyncIterator<string>;

before(async () => {
  mkdirSync(root);
  for (const size of [...sizes, lossySize]) writeFileSync(join(root, `file-${size}`), content(size));
  rack = await createRack({ clients: [{ name: "client", address: "10.77.0.5/24" }] });
  const driver = join(support, "tftp-head-driver.ts");
  const server = rack.spawn(rack.head, [process.execPath, driver, rack.head.device, head, root]);
  assert.ok(server.stdout !== null && server.stdout !== undefined);
  lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "ready");
});

after(async () => {
  await rack.dispose();
  rmSync(place, { recursive: true });
});

/** Bytes that repeat with no period a block could have. */
function content(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, value = size; at < size; at += 1) {
    value = (Math.imul(value, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = value >>> 16;
  }
  return bytes;
}

async function fetchFile(program: ClientProgram, size: number, { lossy = false } = {}): Promise<void> {
  const local = join(place, "fetched");
  rmSync(local, { force: true });
  const { exitCode, stderr } = await rack.exec(rack.client("client"), program.get(`file-${size}`, local), {
    reject: false,
    cwd: place,
    timeout: 60_000,
  });
  assert.equal(exitCode, 0, stderr);
  assert.ok(existsSync(local), "no file was written");
  assert.ok(readFileSync(local).equals(content(size)), `${size} bytes came back changed`);
  const { message, ...told } = await report(`file-${size}`);
  // A client that has everything leaves, and its last acknowledgement is lost as any other: the head cannot know.
  const leftEarly = lossy && message === "the last block was never acknowledged";
  assert.deepEqual(told, { outcome: leftEarly ? "failed" : "done", bytes: size, peer: "10.77.0.5" });
}

/** The server's report on the file, whose last ACK it may see after the client has gone. */
async function report(
  path: string,
): Promise<{ outcome: string; bytes: number; peer: string; message?: string }> {
  for (;;) {
    const line = await lines.next();
    const fetch = JSON.parse(String(line.value)) as Awaited<ReturnType<typeof report>> & { path: string };
    const { outcome, bytes, peer, message } = fetch;
    if (fetch.path === path) return { outcome, bytes, peer, ...(message === undefined ? {} : { message }) };
  }
}

for (const [name, program] of Object.entries(programs)) {
  describe(name, () => {
    const possible = sizes.filter((size) => size !== program.without);
    for (const size of possible) it(`fetches ${size} bytes`, () => fetchFile(program, size));

    it("is not allowed to write", async () => {
      const local = join(place, "upload");
      writeFileSync(local, "mine");
      const command = program.put(local, "uploaded");
      const { stdout, stderr } = await rack.exec(rack.client("client"), command, {
        reject: false,
        cwd: place,
      });
      assert.match(stdout + stderr, /read-only/);
      assert.ok(!existsSync(join(root, "uploaded")));
    });
  });
}

describe("over a network that loses 2 % of the packets each way", () => {
  before(async () => {
    for (const host of [rack.head, rack.client("client")]) await lose(host, 20);
  });

  // The npm client gives up after a loss from any server: with a window it answers a gap with packets that are none.
  for (const [name, program] of Object.entries(programs)) {
    if (!name.startsWith("npm"))
      it(`${name} fetches 256 KiB`, () => fetchFile(program, lossySize, { lossy: true }));
  }
});

/** Drops so many of a thousand datagrams that arrive: a sender whose own output drops them would see an error. */
async function lose(host: RackHost, perMille: number): Promise<void> {
  const rules = [
    "add table inet loss",
    "add chain inet loss arrive { type filter hook input priority 0; }",
    `add rule inet loss arrive meta l4proto udp numgen random mod 1000 < ${perMille} drop`,
  ];
  await rack.exec(host, ["nft", rules.join("; ")]);
}
