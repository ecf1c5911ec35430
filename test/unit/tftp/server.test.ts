import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, after, test } from "node:test";
import fc from "fast-check";
import { openConfined } from "../../../server/boot/confined-file.ts";
import { AppError } from "../../../server/lib/errors.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import { silentLog } from "../../../server/lib/log.ts";
import { encode } from "../../../server/tftp/codec.ts";
import { type ServedFile, fileInMemory } from "../../../server/tftp/served-file.ts";
import { type TftpServer, type TftpServerOptions, createTftpServer } from "../../../server/tftp/server.ts";
import type { Fetch } from "../../../server/tftp/transfers.ts";
import { goldenPacket } from "./golden-packets.ts";
import { RawClient } from "./raw-client.ts";

const root = mkdtempSync(join(tmpdir(), "tftp-"));
const loader = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) % 253));
writeFileSync(join(root, "snponly.efi"), loader);
writeFileSync(join(root, "exact"), loader.subarray(0, 1024));
writeFileSync(join(root, "empty"), "");
symlinkSync("/etc/passwd", join(root, "escape"));
after(() => rmSync(root, { recursive: true }));

type Scene = { server: TftpServer; client: RawClient; fetched: () => Promise<Fetch> };

/** A server on loopback and a client; both end with the test. */
async function scene(t: TestContext, over: Partial<TftpServerOptions> = {}): Promise<Scene> {
  const ended = new EventEmitter();
  const fetches: Fetch[] = [];
  const server = createTftpServer({
    device: "lo",
    address: "127.0.0.1" as Ipv4,
    port: 0,
    open: (path) => openConfined(root, path),
    onFetched: (fetch) => {
      fetches.push(fetch);
      ended.emit("fetch");
    },
    log: silentLog,
    clock: { nowMs: () => performance.now() },
    ...over,
  });
  await server.start();
  t.after(() => server.stop());
  const client = await anotherClient(t, server);
  const fetched = async () => {
    while (fetches.length === 0) await once(ended, "fetch");
    const first = fetches.shift();
    assert.ok(first !== undefined);
    return first;
  };
  return { server, client, fetched };
}

async function anotherClient(t: TestContext, server: TftpServer): Promise<RawClient> {
  const client = await RawClient.open(server.port());
  t.after(() => client.close());
  return client;
}

test("a loader as iPXE fetches it", async (t) => {
  const { server, client, fetched } = await scene(t);
  assert.deepEqual(await client.fetch("snponly.efi", { blksize: "1432", tsize: "0" }), loader);
  const fetch = await fetched();
  assert.deepEqual(
    { ...fetch, durationMs: 0 },
    {
      path: "snponly.efi",
      peer: "127.0.0.1",
      bytes: 100_000,
      durationMs: 0,
      outcome: "done",
      message: undefined,
    },
  );
  const { done, bytes, active, requests, repeats } = server.counters();
  assert.deepEqual(
    { done, bytes, active, requests, repeats },
    { done: 1, bytes: 100_000, active: 0, requests: 1, repeats: 0 },
  );
});

test("every transfer has a port of its own, which is not the server's", async (t) => {
  const { server, client } = await scene(t);
  const other = await anotherClient(t, server);
  client.request("exact");
  other.request("exact");
  await client.next();
  await other.next();
  assert.notEqual(client.transferPort, other.transferPort);
  assert.notEqual(client.transferPort, server.port());
});

test("with a single port everything comes from it, and transfers are told apart all the same", async (t) => {
  const { server, client } = await scene(t, { singlePort: true });
  const other = await anotherClient(t, server);
  client.request("exact");
  other.request("snponly.efi", { blksize: "1432" });
  await Promise.all([client.next(), other.next()]);
  assert.equal(client.transferPort, server.port());
  assert.equal(other.transferPort, server.port());
  client.send({ kind: "error", code: 0, message: "enough" });
  assert.deepEqual(await client.fetch("exact"), loader.subarray(0, 1024));
  assert.deepEqual(await other.fetch("snponly.efi", { blksize: "1432" }), loader);
  // Nothing of that is a request.
  assert.equal(server.counters().requests, 4);
  client.ack(3);
  client.raw(goldenPacket("ipxe-rom-ack0"));
  assert.deepEqual(await client.fetch("empty"), Buffer.alloc(0));
  assert.ok(server.counters().dropped.unexpected >= 1);
});

test("a client's next transfer has another port, so that what is late is not taken for its", async (t) => {
  const { server, client, fetched } = await scene(t);
  assert.deepEqual(await client.fetch("exact"), loader.subarray(0, 1024));
  const first = client.transferPort;
  await fetched();
  client.request("exact");
  await client.next();
  const second = client.transferPort;
  assert.notEqual(second, first);
  client.transferPort = first;
  client.ack(1); // late, from the first transfer
  client.send({ kind: "error", code: 0, message: "late" });
  client.transferPort = second;
  client.ack(1);
  const packet = await client.next();
  assert.ok(packet.kind === "data" && packet.block === 2);
  assert.equal(server.counters().dropped.stray, 2);
});

test("requests above the limits wait, fairly between clients; what waits is bounded", async (t) => {
  const limits = { transfers: 1, queued: 2, queuedPerClient: 2 };
  const { server, client, fetched } = await scene(t, { limits });
  const others = await Promise.all([1, 2, 3].map(() => anotherClient(t, server)));
  client.request("exact");
  await client.next();
  for (const other of others) other.request("empty");
  // What it answers at once tells that the requests before it have been looked at.
  const writer = await anotherClient(t, server);
  writer.raw(encode({ kind: "wrq", path: "x", mode: "octet", options: [] }));
  await writer.next();
  const { active, waiting, waited, busy } = server.counters();
  assert.deepEqual({ active, waiting, waited, busy }, { active: 1, waiting: 2, waited: 2, busy: 1 });
  client.send({ kind: "error", code: 0, message: "enough" });
  assert.equal((await fetched()).outcome, "aborted");
  for (const other of others.slice(0, 2)) {
    const packet = await other.next();
    assert.ok(packet.kind === "data" && packet.data.length === 0);
    other.ack(1);
    assert.equal((await fetched()).outcome, "done");
  }
  assert.equal(server.counters().waiting, 0);
});

test("files of every shape, with and without options", async (t) => {
  const { client } = await scene(t);
  assert.deepEqual(await client.fetch("empty"), Buffer.alloc(0));
  assert.deepEqual(await client.fetch("exact"), loader.subarray(0, 1024));
  assert.deepEqual(await client.fetch("exact", { blksize: "8", windowsize: "7" }), loader.subarray(0, 1024));
  assert.deepEqual(await client.fetch("snponly.efi", { windowsize: "16", blksize: "1468" }), loader);
});

test("block numbers roll over on the wire", async (t) => {
  const long = Buffer.from(Uint8Array.from({ length: 8 * 66_000 }, (_, index) => (index * 31) % 241));
  const { client } = await scene(t, { open: () => Promise.resolve(fileInMemory(long)) });
  assert.deepEqual(await client.fetch("long", { blksize: "8", windowsize: "64" }), long);
});

test("EDK2 probes the size, aborts, and asks again", async (t) => {
  const { server, client, fetched } = await scene(t);
  client.raw(goldenPacket("edk2-probe-rrq"));
  const probe = await client.next();
  assert.deepEqual(probe, {
    kind: "oack",
    options: [
      { name: "blksize", value: "1468" },
      { name: "tsize", value: "100000" },
      { name: "windowsize", value: "4" },
    ],
  });
  client.send({ kind: "error", code: 8, message: "User aborted the transfer" });
  assert.equal((await fetched()).outcome, "aborted");
  assert.deepEqual(await client.fetch("snponly.efi", { blksize: "1468", windowsize: "4" }), loader);
  assert.equal((await fetched()).outcome, "done");
  assert.equal(server.counters().failed, 0);
});

test("a block larger than a frame is cut down to it", async (t) => {
  const { client } = await scene(t, { limits: { blockBytes: 1468 } });
  client.request("snponly.efi", { blksize: "65464" });
  const answer = await client.next();
  assert.deepEqual(answer, { kind: "oack", options: [{ name: "blksize", value: "1468" }] });
});

test("netascii turns line ends", async (t) => {
  const { client } = await scene(t, { open: () => Promise.resolve(fileInMemory(Buffer.from("a\nb\n"))) });
  client.request("menu.cfg", { tsize: "0" }, "NetASCII");
  assert.deepEqual(await client.next(), { kind: "oack", options: [{ name: "tsize", value: "6" }] });
  client.ack(0);
  const packet = await client.next();
  assert.ok(packet.kind === "data");
  assert.equal(Buffer.from(packet.data).toString(), "a\r\nb\r\n");
});

async function refusal(client: RawClient, path: string, mode?: string): Promise<number> {
  client.request(path, {}, mode);
  const packet = await client.next();
  assert.ok(packet.kind === "error", packet.kind);
  return packet.code;
}

test("missing files, escapes and unknown modes are refused, each with its code", async (t) => {
  const { server, client, fetched } = await scene(t);
  assert.equal(await refusal(client, "autoexec.ipxe"), 1);
  const missing = await fetched();
  assert.deepEqual([missing.outcome, missing.bytes, missing.path], ["refused", 0, "autoexec.ipxe"]);
  const escapes = ["../etc/passwd", "/../../etc/passwd", "..\\..\\etc\\passwd", "escape", "/", "."];
  for (const path of escapes) assert.equal(await refusal(client, path), 2, path);
  assert.equal(await refusal(client, "/etc/passwd"), 1);
  assert.equal(await refusal(client, "exact", "mail"), 4);
  assert.equal(server.counters().refused, 9);
  assert.equal(server.counters().active, 0);
});

test("a fault while a file is opened is told to the client and logged", async (t) => {
  const logged: string[] = [];
  const log = { ...silentLog, error: (_fields: object, message: string) => void logged.push(message) };
  const open = async () => {
    await Promise.resolve();
    throw new AppError("internal", "template boot.hbs: line 3: unknown name");
  };
  const { client } = await scene(t, { open, log });
  client.request("boot.ipxe");
  assert.deepEqual(await client.next(), {
    kind: "error",
    code: 0,
    message: "template boot.hbs: line 3: unknown name",
  });
  assert.deepEqual(logged, ["template boot.hbs: line 3: unknown name"]);
});

test("writing is refused", async (t) => {
  const { server, client } = await scene(t);
  client.raw(encode({ kind: "wrq", path: "snponly.efi", mode: "octet", options: [] }));
  const packet = await client.next();
  assert.ok(packet.kind === "error" && packet.code === 2);
  assert.equal(server.counters().writesRefused, 1);
});

test("hostile packets are dropped and counted, and the server goes on serving", async (t) => {
  const { server, client, fetched } = await scene(t);
  const hostile = [
    "",
    "00",
    "0001",
    "000100",
    "000161",
    "0001ff00ff00",
    "0004",
    "00040001",
    "00030001aabb",
    "0005000061",
    "0006",
    "00ff",
    "ffff".repeat(400),
    `0001${"61".repeat(3000)}00`,
  ];
  for (const hex of hostile) client.raw(Buffer.from(hex, "hex"));
  assert.deepEqual(await client.fetch("exact"), loader.subarray(0, 1024));
  assert.equal((await fetched()).outcome, "done");
  const { dropped, active } = server.counters();
  assert.deepEqual(dropped, {
    truncated: 6,
    "bad-value": 1,
    unsupported: 2,
    "too-long": 1,
    unexpected: 4,
    stray: 0,
  });
  assert.equal(active, 0);
});

test("random datagrams do no harm", async (t) => {
  const { client } = await scene(t);
  for (const bytes of fc.sample(fc.uint8Array({ maxLength: 300 }), 300)) client.raw(bytes);
  const opcodeFirst = fc
    .uint8Array({ minLength: 2, maxLength: 60 })
    .map((rest) => Uint8Array.from([0, 3, ...rest]));
  for (const bytes of fc.sample(opcodeFirst, 300)) client.raw(bytes);
  assert.deepEqual(await client.fetch("exact"), loader.subarray(0, 1024));
});

/** A file in memory that counts how often it was closed. */
function watched(bytes: Uint8Array): { file: ServedFile; closed: () => number } {
  let closed = 0;
  const close = () => {
    closed += 1;
    return Promise.resolve();
  };
  return { file: { ...fileInMemory(bytes), close }, closed: () => closed };
}

test("a request that arrives twice is one transfer", { timeout: 10_000 }, async (t) => {
  // The server's own repeat is far off: what comes answers the request.
  const patience = { initialMs: 60_000, ceilingMs: 60_000 };
  const { server, client } = await scene(t, { patience });
  client.request("exact", { tsize: "0" });
  client.request("exact", { tsize: "0" });
  await client.next();
  const port = client.transferPort;
  client.request("exact", { tsize: "0" });
  assert.equal((await client.next()).kind, "oack");
  assert.equal(client.transferPort, port);
  const { active, requests, duplicates } = server.counters();
  assert.deepEqual({ active, requests, duplicates }, { active: 1, requests: 3, duplicates: 2 });
});

test("a client that asks for another file from the same port has left the first", async (t) => {
  const { client, fetched } = await scene(t);
  client.request("snponly.efi");
  await client.next();
  client.request("exact", { tsize: "0" });
  const left = await fetched();
  assert.deepEqual([left.path, left.outcome], ["snponly.efi", "aborted"]);
  assert.equal((await client.next()).kind, "oack");
});

test("a client has so many transfers at a time; one more is answered when its turn comes", async (t) => {
  const { server, client, fetched } = await scene(t, { limits: { transfersPerClient: 1 } });
  const other = await anotherClient(t, server);
  client.request("exact");
  await client.next();
  other.request("snponly.efi", { tsize: "0" });
  client.ack(1);
  await client.next();
  const { active, waiting } = server.counters();
  assert.deepEqual({ active, waiting }, { active: 1, waiting: 1 });
  client.ack(2);
  await client.next();
  client.ack(3);
  assert.equal((await fetched()).outcome, "done");
  // It did not ask again.
  assert.deepEqual(await other.next(), { kind: "oack", options: [{ name: "tsize", value: "100000" }] });
  const { waited, busy } = server.counters();
  assert.deepEqual({ waited, busy }, { waited: 1, busy: 0 });
});

test("a client that falls silent is given up, with the blocks counted that it has", async (t) => {
  const { file, closed } = watched(loader);
  const patience = { floorMs: 1, initialMs: 1, ceilingMs: 2, repeats: 4 };
  const { server, client, fetched } = await scene(t, { open: () => Promise.resolve(file), patience });
  client.request("loader");
  await client.next();
  client.ack(1);
  const fetch = await fetched();
  assert.deepEqual([fetch.outcome, fetch.bytes, fetch.message], ["failed", 512, "the client fell silent"]);
  assert.equal(server.counters().repeats >= 4, true);
  assert.equal(closed(), 1);
});

test("lost acknowledgements are made up for by the server alone", async (t) => {
  const { server, client, fetched } = await scene(t, { patience: { floorMs: 5, initialMs: 5 } });
  client.request("exact");
  // Every block is answered only when it has come a second time.
  const seen = new Set<number>();
  for (let acked = 0; acked < 3;) {
    const packet = await client.next();
    assert.ok(packet.kind === "data");
    if (packet.block <= acked) continue;
    if (seen.has(packet.block)) {
      acked = packet.block;
      client.ack(acked);
    }
    seen.add(packet.block);
  }
  assert.equal((await fetched()).outcome, "done");
  assert.ok(server.counters().repeats >= 3);
});

test("a stranger who writes to a transfer's port disturbs nothing", async (t) => {
  const { server, client } = await scene(t);
  const stranger = await anotherClient(t, server);
  client.request("exact");
  await client.next();
  stranger.transferPort = client.transferPort;
  stranger.send({ kind: "error", code: 0, message: "stop" });
  stranger.ack(1);
  client.ack(1);
  const packet = await client.next();
  assert.ok(packet.kind === "data" && packet.block === 2);
});

test("a disk that fails in the middle ends the transfer with an error", async (t) => {
  const { client, fetched } = await scene(t, {
    open: () =>
      Promise.resolve({
        sizeBytes: 1_000_000,
        read: async (offset: number, length: number) => {
          await Promise.resolve();
          if (offset > 0) throw new Error("disk trouble");
          return new Uint8Array(length);
        },
        close: () => Promise.resolve(),
      }),
  });
  await assert.rejects(client.fetch("loader"), /disk trouble/);
  assert.equal((await fetched()).outcome, "failed");
});

test("stop tells the clients, closes the files and does not wait for an open that hangs", async (t) => {
  const { file, closed } = watched(loader);
  const never = new Promise<ServedFile>(() => undefined);
  const open = (path: string) => (path === "hangs" ? never : Promise.resolve(file));
  const { server, client, fetched } = await scene(t, { open });
  const hanging = await anotherClient(t, server);
  hanging.request("hangs");
  client.request("loader");
  await client.next();
  const startedMs = performance.now();
  await server.stop();
  assert.ok(performance.now() - startedMs < 1000);
  const packet = await client.next();
  assert.ok(packet.kind === "error" && packet.code === 0);
  assert.equal((await fetched()).outcome, "failed");
  assert.equal(closed(), 1);
  await server.stop();
});

test("a port that is taken and a device that is none are said", async (t) => {
  const { server } = await scene(t);
  const second = createTftpServer({ ...plainOptions, port: server.port() });
  await assert.rejects(
    second.start(),
    (error) => error instanceof AppError && /is taken by/.test(error.message),
  );
  const nowhere = createTftpServer({ ...plainOptions, device: "none0" });
  await assert.rejects(nowhere.start(), (error) => error instanceof AppError && /none0/.test(error.message));
});

const plainOptions: TftpServerOptions = {
  device: "lo",
  address: "127.0.0.1" as Ipv4,
  port: 0,
  open: () => Promise.resolve(undefined),
  onFetched: () => undefined,
  log: silentLog,
  clock: { nowMs: () => performance.now() },
};
