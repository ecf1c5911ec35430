import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { kernelBytes, openBootRack } from "../../support/boot-rack.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

type Options = NonNullable<Parameters<typeof openBootRack>[2]>;

async function rackFor(t: TestContext, options: Options = {}) {
  const rack = await openBootRack(t, temporaryDirectory(t), options);
  t.after(rack.close);
  const port = Number(new URL(rack.base).port);
  /** Sends these bytes and gives all that comes back until the head closes, or `until` is in it. */
  const say = async (bytes: string, until?: string | RegExp): Promise<string> => {
    const socket = connect(port, "127.0.0.1");
    let heard = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      heard += text;
      if (until !== undefined && heard.search(until) >= 0) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.write(bytes, "latin1");
    await once(socket, "close");
    return heard;
  };
  return { ...rack, port, say };
}

const script = "/boot/52-54-00-00-00-01/script.ipxe";
const loader = "/boot/52-54-00-00-00-01/loader/snponly.efi";
/** No file is young for the head. */
const aheadMs = 86_400_000;
const closing = "host: head\r\nconnection: close\r\n\r\n";

/** Head and body of each answer in turn, by its exact length. */
function answersIn(
  heard: string,
  methods: readonly string[],
): { status: number; head: string; body: string }[] {
  return methods.map((method) => {
    const end = heard.indexOf("\r\n\r\n");
    const head = heard.slice(0, end);
    const length = method === "HEAD" ? 0 : Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const body = heard.slice(end + 4, end + 4 + length);
    heard = heard.slice(end + 4 + length);
    assert.doesNotMatch(head, /transfer-encoding/i);
    return { status: Number(head.split(" ")[1]), head, body };
  });
}

test("HTTP/1.0 is answered with a length, and kept open when it asks for that", async (t) => {
  const { say } = await rackFor(t);
  const once0 = await say(`GET ${loader} HTTP/1.0\r\n\r\n`);
  assert.deepEqual(answersIn(once0, ["GET"])[0]?.body, "loader");
  const twice = await say(
    `GET ${loader} HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET ${script} HTTP/1.0\r\n\r\n`,
  );
  const [first, second] = answersIn(twice, ["GET", "GET"]);
  assert.match(first?.head ?? "", /connection: keep-alive/i);
  assert.equal(first?.body, "loader");
  assert.match(second?.body ?? "", /^#!ipxe\n[^]*n1 boots/);
});

test("requests sent in one go are answered in turn, each with its exact length", async (t) => {
  const { say, desk, urls } = await rackFor(t);
  const kernel = new URL(
    /http\S+\/kernel/.exec(desk.beginBoot({ mac: "52:54:00:00:00:01" as never }))?.[0] ?? "",
  );
  assert.ok(kernel.href.startsWith(urls.base));
  const methods = ["GET", "HEAD", "GET", "GET", "GET"];
  const paths = [kernel.pathname, kernel.pathname, loader, "/boot/nothing", kernel.pathname];
  const requests = methods.map(
    (method, at) => `${method} ${paths[at]} HTTP/1.1\r\n${at < 4 ? "host: head\r\n\r\n" : closing}`,
  );
  const answers = answersIn(await say(requests.join("")), methods);
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body.length]),
    [
      [200, kernelBytes.length],
      [200, 0],
      [200, 6],
      [404, "there is no /boot/nothing\n".length],
      [200, kernelBytes.length],
    ],
  );
  assert.match(answers[1]?.head ?? "", new RegExp(`content-length: ${kernelBytes.length}`, "i"));
});

test("far more requests in one go than any loader sends: the connection ends, nothing is kept", async (t) => {
  const rack = await rackFor(t);
  writeFileSync(join(rack.files, "snponly.efi"), Buffer.alloc(20_000_000));
  const socket = connect(rack.port, "127.0.0.1").on("error", () => undefined);
  socket.write(`GET ${loader} HTTP/1.1\r\nhost: head\r\n\r\n`.repeat(200));
  await once(socket, "close");
  await until(() => rack.counters()["transfers"] === 0);
});

for (const [what, bytes, status, says] of [
  ["noise", "\x16\x03\x01\x02\x00\r\n\r\n", 400, /no HTTP request/],
  [
    "a head that does not end",
    `GET ${script} HTTP/1.1\r\nx: ${"x".repeat(20_000)}`,
    431,
    /longer than 16 KiB/,
  ],
  ["another method", `POST ${script} HTTP/1.1\r\ncontent-length: 0\r\n${closing}`, 405, /only GET and HEAD/],
  ["DELETE", `DELETE ${script} HTTP/1.1\r\n${closing}`, 405, /only GET and HEAD/],
  ["a body", `GET ${script} HTTP/1.1\r\ncontent-length: 4\r\n${closing}body`, 413, /no body/],
  [
    "a chunked body",
    `GET ${script} HTTP/1.1\r\ntransfer-encoding: chunked\r\n${closing}0\r\n\r\n`,
    413,
    /no body/,
  ],
  [
    "lengths that clash",
    `GET ${script} HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 1\r\n${closing}`,
    400,
    /no HTTP/,
  ],
  ["a percent sign alone", `GET /boot/%zz/script.ipxe HTTP/1.1\r\n${closing}`, 400, /hexadecimal/],
  ["nothing that is there", `GET /boot/52-54-00-00-00-01/x HTTP/1.1\r\n${closing}`, 404, /there is no/],
] as const) {
  test(`refused in words: ${what}`, async (t) => {
    const { say } = await rackFor(t);
    const [answer] = answersIn(await say(bytes), ["GET"]);
    assert.equal(answer?.status, status);
    assert.match(answer.body, says);
    if (status === 405) assert.match(answer.head, /allow: GET, HEAD/);
  });
}

test("a script by HEAD has the length that GET's has, and begins nothing", async (t) => {
  const { say, desk, base } = await rackFor(t);
  const kernel = /http\S+\/kernel/.exec(desk.beginBoot({ mac: "52:54:00:00:00:01" as never }))?.[0] ?? "";
  const [head] = answersIn(await say(`HEAD ${script} HTTP/1.1\r\n${closing}`), ["HEAD"]);
  assert.equal((await fetch(kernel)).status, 200, "the boot under way goes on");
  const text = await (await fetch(base + script)).text();
  assert.match(head?.head ?? "", new RegExp(`Content-Length: ${text.length}`));
});

test("doubled slashes and a query are taken as meant, without a redirect", async (t) => {
  const { base } = await rackFor(t);
  for (const path of [`//boot//52-54-00-00-00-01/loader//snponly.efi`, `${loader}?x=1`]) {
    const response = await fetch(base + path, { redirect: "error" });
    assert.equal(await response.text(), "loader", path);
  }
});

test("a client that sends its head byte by byte, and one that sends nothing, are cut off in time", async (t) => {
  const { port } = await rackFor(t, { connections: { headersMs: 150, lookMs: 20 } });
  const slow = connect(port, "127.0.0.1")
    .on("error", () => undefined)
    .resume();
  const drip = setInterval(() => slow.write("G"), 30);
  const silent = connect(port, "127.0.0.1")
    .on("error", () => undefined)
    .resume();
  await Promise.all([once(slow, "close"), once(silent, "close")]);
  clearInterval(drip);
});

test("a client that is silent between requests is closed", async (t) => {
  const { port } = await rackFor(t, { connections: { keepAliveMs: 50 } });
  const socket = connect(port, "127.0.0.1").resume();
  socket.write(`GET ${loader} HTTP/1.1\r\nhost: head\r\n\r\n`);
  await once(socket, "close");
});

/** From where files are sent, and by whom. */
const ways = [
  ["by the kernel", { cacheBytes: 100_000_000, byKernel: true }],
  ["from memory", { cacheBytes: 100_000_000, byKernel: false }],
  ["from the disk", { cacheBytes: 0, byKernel: true }],
] as const;

for (const [way, limits] of ways) {
  test(`large files, parts of them and what follows on the connection arrive exactly, ${way}`, async (t) => {
    const rack = await rackFor(t, { limits, aheadMs });
    const content = randomBytes(9_000_001);
    writeFileSync(join(rack.files, "snponly.efi"), content);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    const get = async (range?: string): Promise<Buffer> => {
      const headers = range === undefined ? {} : { range };
      const [response] = (await once(request(rack.base + loader, { agent, headers }).end(), "response")) as [
        IncomingMessage,
      ];
      return Buffer.concat((await response.toArray()) as Buffer[]);
    };
    assert.ok((await get()).equals(content));
    assert.ok((await get("bytes=1234567-")).equals(content.subarray(1_234_567)), "resumed");
    assert.ok((await get("bytes=17-8000018")).equals(content.subarray(17, 8_000_019)));
    assert.ok((await get("bytes=-300001")).equals(content.subarray(-300_001)));
    assert.ok((await get()).equals(content));
    const all = await Promise.all(Array.from({ length: 20 }, () => fetch(rack.base + loader)));
    for (const response of all) assert.ok(Buffer.from(await response.arrayBuffer()).equals(content));
    assert.equal(rack.counters()["transfers"], 0);
    const least = way === "by the kernel" ? 100_000_000 : 0;
    assert.ok((rack.counters()["kernel.bytes"] ?? -1) >= least);
    if (least === 0) assert.equal(rack.counters()["kernel.bytes"], 0);
  });

  test(`files asked for in one go arrive in turn, ${way}`, async (t) => {
    const { files, say } = await rackFor(t, { limits, aheadMs });
    const content = randomBytes(3_000_000);
    writeFileSync(join(files, "snponly.efi"), content);
    const asked = `GET ${loader} HTTP/1.1\r\nhost: head\r\n\r\n`;
    const answers = answersIn(await say(`${asked}${asked}GET ${loader} HTTP/1.1\r\n${closing}`), [
      "GET",
      "GET",
      "GET",
    ]);
    for (const { body } of answers) assert.ok(Buffer.from(body, "latin1").equals(content));
  });

  test(`a client that leaves in the middle frees what it had, ${way}`, async (t) => {
    const rack = await rackFor(t, { limits, aheadMs });
    writeFileSync(join(rack.files, "snponly.efi"), Buffer.alloc(30_000_000));
    for (let count = 0; count < 5; count += 1) {
      const socket = connect(rack.port, "127.0.0.1").on("error", () => undefined);
      socket.write(`GET ${loader} HTTP/1.1\r\nhost: head\r\n\r\n`);
      await once(socket, "data");
      if (count % 2 === 0) socket.destroy();
      else socket.resetAndDestroy();
    }
    await until(() => rack.counters()["transfers"] === 0);
    const { length } = await (await fetch(rack.base + loader)).bytes();
    assert.equal(length, 30_000_000);
    await rack.tracker.flush();
    assert.equal((await rack.store.newestEvents(9)).length, 1, "what was broken off is no transfer");
  });

  test(`a client that stops reading is cut off, and its memory freed, ${way}`, async (t) => {
    const rack = await rackFor(t, { limits: { patienceMs: 200, ...limits }, aheadMs });
    const path = join(rack.files, "snponly.efi");
    writeFileSync(path, Buffer.alloc(40_000_000));
    const socket = connect(rack.port, "127.0.0.1").on("error", () => undefined);
    socket.write(`GET ${loader} HTTP/1.1\r\nhost: head\r\n\r\n`);
    await once(socket, "readable");
    await until(() => rack.counters()["cut"] === 1);
    await until(() => rack.counters()["transfers"] === 0);
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve)); // a reset is an error, too
    assert.ok(socket.bytesRead < 40_000_000);
    await rack.tracker.flush();
    assert.deepEqual(
      (await rack.store.newestEvents(5)).map(({ event }) => event.kind),
      [],
      "what was cut off is no transfer",
    );
  });

  test(`a client that reads slowly but steadily is not cut off, ${way}`, async (t) => {
    const rack = await rackFor(t, { limits: { patienceMs: 400, ...limits }, aheadMs });
    const bytes = 12_000_000;
    writeFileSync(join(rack.files, "snponly.efi"), Buffer.alloc(bytes));
    const socket = connect(rack.port, "127.0.0.1");
    socket.write(`GET ${loader} HTTP/1.1\r\n${closing}`);
    const startedMs = performance.now();
    for await (const chunk of socket) await delay((chunk as Buffer).length / 12_000);
    assert.ok(socket.bytesRead > bytes);
    assert.ok(performance.now() - startedMs > 800, "slower than it may be silent");
    assert.equal(rack.counters()["cut"], 0);
  });
}

test("beyond so many connections: a script that waits, an honest 503 for all else, and room again when others leave", async (t) => {
  const { port, say, base, counters } = await rackFor(t, { limits: { connections: 3 } });
  const others = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      return socket;
    }),
  );
  await until(() => counters()["connections"] === 3);
  const [busy] = answersIn(await say(`GET ${script} HTTP/1.1\r\nhost: head\r\n\r\n`), ["GET"]);
  assert.equal(busy?.status, 200);
  assert.match(busy.body, /^#!ipxe\n[^]*sleep \d+\nchain --replace http\S+script\.ipxe/);
  assert.match(busy.head, /connection: close/i);
  for (const path of [loader, "/node/n1/phase"]) {
    const [answer] = answersIn(await say(`GET ${path} HTTP/1.1\r\nhost: head\r\n\r\n`), ["GET"]);
    assert.equal(answer?.status, 503, path);
    assert.match(answer.head, /retry-after: \d+/i);
  }
  for (const socket of others) socket.destroy();
  await until(() => counters()["connections"] === 0);
  assert.match(await (await fetch(base + script)).text(), /n1 boots/);
  assert.ok((counters()["turnedAway"] ?? 0) >= 3);
});

test("a thousand connections at once, each answered whole", async (t) => {
  const { port, base, counters } = await rackFor(t);
  assert.equal((await fetch(base + loader)).status, 200);
  const sockets: Socket[] = [];
  const heard = await Promise.all(
    Array.from({ length: 1000 }, async () => {
      const socket = connect(port, "127.0.0.1").setEncoding("latin1");
      sockets.push(socket);
      await once(socket, "connect");
      socket.write(`GET ${loader} HTTP/1.1\r\n${closing}`);
      let text = "";
      for await (const piece of socket) text += String(piece);
      return text;
    }),
  );
  for (const text of heard) assert.equal(answersIn(text, ["GET"])[0]?.body, "loader");
  assert.equal(counters()["turnedAway"], 0);
});

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, "it does not come to that");
    await delay(5);
  }
}
