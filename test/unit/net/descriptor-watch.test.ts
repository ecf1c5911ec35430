import assert from "node:assert/strict";
import dgram from "node:dgram";
import { closeSync, openSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import { watchDescriptor } from "../../../server/net/descriptor-watch.ts";
import { boundPort, deviceUdpDescriptor } from "../../../server/net/device-socket.ts";
import { sharedLibc } from "../../../server/net/libc.ts";

const localhost = "127.0.0.1" as Ipv4;

/** A UDP socket that nobody reads, and a client that sends to it. */
function scene(t: TestContext) {
  const libc = sharedLibc();
  const fd = deviceUdpDescriptor({ device: "lo", address: localhost, port: 0 });
  t.after(() => libc.close(fd));
  const port = boundPort(fd);
  const client = dgram.createSocket("udp4");
  t.after(() => client.close());
  const buffer = Buffer.alloc(64);
  return {
    fd,
    read: (): string => {
      const length = Number(libc.recv(fd, buffer, BigInt(buffer.length), 0));
      return length < 0 ? "" : buffer.toString("utf8", 0, length);
    },
    send: async (text: string): Promise<void> => {
      await new Promise<void>((resolve, reject) => {
        client.send(text, port, localhost, (error) => (error === null ? resolve() : reject(error)));
      });
    },
  };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("tells of what can be read until it has been read, and of the next", async (t) => {
  const { fd, read, send } = scene(t);
  const seen: string[] = [];
  let told: (() => void) | undefined;
  let leave = 2; // for the first calls what has come is left where it is
  const watch = watchDescriptor(fd, () => {
    if (leave > 0) leave -= 1;
    else seen.push(read());
    if (seen.length > 0) told?.();
  });
  t.after(() => watch.close());
  const until = async (count: number): Promise<void> => {
    while (seen.length < count) await new Promise<void>((resolve) => (told = resolve));
  };
  await send("one");
  await until(1);
  await send("two");
  await until(2);
  assert.deepEqual(seen, ["one", "two"]);
  assert.equal(leave, 0);
});

test("promises that are kept while it reads go on in the same turn", async (t) => {
  const { fd, read, send } = scene(t);
  const steps: string[] = [];
  const done = new Promise<void>((resolve) => {
    const watch = watchDescriptor(fd, () => {
      steps.push(read());
      void Promise.resolve().then(() => steps.push("promise"));
      process.nextTick(() => steps.push("tick"));
      setImmediate(() => {
        steps.push("next turn");
        resolve();
      });
    });
    t.after(() => watch.close());
  });
  await send("read");
  await done;
  assert.deepEqual(steps, ["read", "tick", "promise", "next turn"]);
});

test("once closed it tells nothing, even of what had come before", async (t) => {
  const { fd, send } = scene(t);
  let calls = 0;
  await new Promise<void>((resolve) => {
    const watch = watchDescriptor(fd, () => {
      calls += 1;
      watch.close();
      watch.close();
      resolve();
    });
    void send("one");
  });
  await turns(20);
  assert.equal(calls, 1);
});

test("one that another closes in the same turn tells nothing", async (t) => {
  const [left, right] = [scene(t), scene(t)];
  await Promise.all([left.send("one"), right.send("one")]);
  const calls: string[] = [];
  await new Promise<void>((resolve) => {
    const end = (name: string): void => {
      calls.push(name);
      for (const watch of watches) watch.close();
      resolve();
    };
    const watches = [
      watchDescriptor(left.fd, () => end("left")),
      watchDescriptor(right.fd, () => end("right")),
    ];
  });
  await turns(20);
  assert.equal(calls.length, 1, calls.join(" "));
});

test("a descriptor may be watched again, by many one after the other", async (t) => {
  const { fd, read, send } = scene(t);
  for (let round = 0; round < 50; round += 1) {
    const text = `round ${round}`;
    const heard = new Promise<string>((resolve) => {
      const watch = watchDescriptor(fd, () => {
        watch.close();
        resolve(read());
      });
    });
    await send(text);
    assert.equal(await heard, text);
  }
});

test("what cannot be watched is said", (t) => {
  const file = openSync(import.meta.filename, "r");
  t.after(() => closeSync(file));
  assert.throws(() => watchDescriptor(file, () => undefined), /cannot watch a descriptor: EPERM/);
  assert.throws(() => watchDescriptor(-1, () => undefined), /cannot watch a descriptor: EBADF/);
});
