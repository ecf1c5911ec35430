import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { KernelSender } from "../../../server/net/kernel-sender.ts";
import { MemoryFile } from "../../../server/net/memory-file.ts";

const content = randomBytes(20_000_000);

async function scene(t: TestContext) {
  const file = MemoryFile.make();
  assert.ok(file !== undefined);
  t.after(() => file.close());
  await file.write(content, 0);
  const server = createServer({ noDelay: true }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  t.after(() => {
    client.destroy();
    socket.destroy();
  });
  socket.on("error", () => undefined);
  return { file, client, socket, sender: new KernelSender() };
}

test("memory that is a file: what was written is read, and it goes when it is closed", async () => {
  const descriptors = (): number => readdirSync("/proc/self/fd").length;
  const before = descriptors();
  const file = MemoryFile.make();
  assert.ok(file !== undefined);
  await file.write(content, 0);
  await file.write(Buffer.from("middle"), 1000);
  assert.equal(file.read(998, 10).toString("latin1", 2, 8), "middle");
  assert.ok(file.read(1_000_000, 300_000).equals(content.subarray(1_000_000, 1_300_000)));
  assert.equal(file.read(content.length, 10).length, 0);
  file.close();
  assert.equal(descriptors(), before);
});

test("the kernel sends from any offset until the socket is full, and the client has exactly that", async (t) => {
  const { file, client, socket, sender } = await scene(t);
  client.pause();
  let at = 12_345;
  for (;;) {
    const sent = sender.send(socket, file.fd, at, 1_000_000);
    if (typeof sent !== "number") {
      assert.equal(sent, "full");
      break;
    }
    assert.ok(sent > 0 && sent <= 1_000_000);
    at += sent;
  }
  assert.ok(at > 12_345 && at < content.length, "a socket holds less than the file");
  socket.end();
  const heard = Buffer.concat((await client.toArray()) as Buffer[]);
  assert.ok(heard.equals(content.subarray(12_345, at)));
});

test("what Node has yet to write goes first", async (t) => {
  const { file, client, socket, sender } = await scene(t);
  socket.cork();
  socket.write("first");
  assert.equal(sender.send(socket, file.fd, 5, 10), "full");
  socket.uncork();
  assert.equal(sender.send(socket, file.fd, 5, 10), 10);
  socket.end();
  const heard = Buffer.concat((await client.toArray()) as Buffer[]);
  assert.ok(heard.equals(Buffer.concat([Buffer.from("first"), content.subarray(5, 15)])));
});

test("a client that is gone is told apart from a socket that is full", async (t) => {
  const { file, client, socket, sender } = await scene(t);
  client.resetAndDestroy();
  await new Promise((resolve) => socket.once("close", resolve)); // a reset is an error, too
  assert.equal(sender.send(socket, file.fd, 0, 10), "gone");
});

test("the kernel says of a client that is gone that it is, before Node knows", async (t) => {
  const { file, client, socket, sender } = await scene(t);
  socket.pause();
  client.resetAndDestroy();
  // The reset arrives at a socket that nobody in this process looks at before the next turn of the event loop.
  await once(client, "close");
  let last = sender.send(socket, file.fd, 0, 10);
  for (let count = 0; count < 1000 && typeof last === "number"; count += 1)
    last = sender.send(socket, file.fd, 0, 10);
  assert.equal(last, "gone");
});

test("what the kernel cannot send from is said", async (t) => {
  const { socket, sender } = await scene(t);
  assert.equal(sender.send(socket, 9999, 0, 10), "unable");
  const { file } = await scene(t);
  assert.equal(sender.send(socket, file.fd, content.length, 10), "unable", "behind the end");
});
