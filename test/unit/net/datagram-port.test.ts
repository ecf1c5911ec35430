import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { type Ipv4, ipv4ToNumber } from "../../../server/lib/ipv4.ts";
import {
  type DatagramHandlers,
  type DatagramPort,
  type DatagramPortOptions,
  openDatagramPort,
} from "../../../server/net/datagram-port.ts";
import { pinnedBytes } from "../../../server/net/libc.ts";

const localhost = "127.0.0.1" as Ipv4;
const localhostNumber = ipv4ToNumber(localhost);

async function openPort(
  t: TestContext,
  handlers: DatagramHandlers,
  options?: DatagramPortOptions,
): Promise<DatagramPort> {
  const port = await openDatagramPort({ device: "lo", address: localhost, port: 0 }, handlers, options);
  t.after(() => port.close());
  return port;
}

/** A plain socket of Node's, and everything that comes to it. */
async function openClient(t: TestContext) {
  const socket = dgram.createSocket("udp4");
  const received: Buffer[] = [];
  socket.on("message", (bytes) => received.push(bytes));
  socket.bind(0, localhost);
  await once(socket, "listening");
  t.after(() => {
    try {
      socket.close();
    } catch {
      // the test has closed it
    }
  });
  return {
    socket,
    received,
    port: socket.address().port,
    /** Resolves once so many have come. */
    count: async (count: number): Promise<void> => {
      while (received.length < count) await once(socket, "message", { signal: AbortSignal.timeout(5000) });
    },
  };
}

test("hands over every datagram with its sender, in order, and answers each", async (t) => {
  const seen: string[] = [];
  const port: DatagramPort = await openPort(t, {
    onDatagram: (bytes, address, from) => {
      assert.equal(address, localhostNumber);
      seen.push(`${from}:${bytes.toString()}`);
      port.send(bytes, address, from);
    },
  });
  const clients = await Promise.all([openClient(t), openClient(t)]);
  // More than one batch; of changing length, so that no view of an earlier datagram is taken for this one's.
  const texts = Array.from({ length: 150 }, (_, index) => `${index}${"x".repeat(index % 7)}`);
  for (const text of texts) for (const client of clients) client.socket.send(text, port.port, localhost);
  await Promise.all(clients.map((client) => client.count(texts.length)));
  for (const client of clients) {
    assert.deepEqual(client.received.map(String), texts);
    const own = seen.filter((line) => line.startsWith(`${client.port}:`));
    assert.deepEqual(
      own,
      texts.map((text) => `${client.port}:${text}`),
    );
  }
});

test("an answer that is made later leaves by itself", async (t) => {
  const port: DatagramPort = await openPort(t, {
    onDatagram: (bytes, address, from) => {
      const copy = Buffer.from(bytes);
      setTimeout(() => port.send(copy, address, from), 1);
    },
  });
  const client = await openClient(t);
  client.socket.send("late", port.port, localhost);
  await client.count(1);
  assert.equal(String(client.received[0]), "late");
});

test("what is queued is a copy", async (t) => {
  const port = await openPort(t, { onDatagram: () => undefined });
  const client = await openClient(t);
  const bytes = Buffer.from("before");
  port.send(bytes, localhostNumber, client.port);
  bytes.write("after!");
  await client.count(1);
  assert.equal(String(client.received[0]), "before");
});

test("more than the queue holds leaves all the same, in order", async (t) => {
  const port = await openPort(t, { onDatagram: () => undefined });
  const client = await openClient(t);
  client.socket.setRecvBufferSize(4 * 1024 * 1024);
  const count = 200; // of 4 KiB: three times the room for copies
  for (let index = 0; index < count; index += 1) {
    const bytes = Buffer.alloc(4096);
    bytes.writeUInt32BE(index);
    port.send(bytes, localhostNumber, client.port);
  }
  await client.count(count - 1);
  await client.count(count);
  assert.deepEqual(
    client.received.map((bytes) => bytes.readUInt32BE()),
    Array.from({ length: count }, (_, index) => index),
  );
});

test("pinned datagrams to one client arrive one by one, whatever travels together", async (t) => {
  const port = await openPort(t, { onDatagram: () => undefined });
  const clients = await Promise.all([openClient(t), openClient(t)]);
  const body = pinnedBytes(100_000);
  for (let index = 0; index < body.bytes.length; index += 1) body.bytes[index] = index % 251;
  const expected: [Buffer[], Buffer[]] = [[], []];
  const send = (client: 0 | 1, head: number, from: number, length: number) => {
    port.sendPinned(head, body, from, length, localhostNumber, clients[client].port);
    const headBytes = Buffer.alloc(4);
    headBytes.writeUInt32BE(head >>> 0);
    expected[client].push(Buffer.concat([headBytes, body.bytes.subarray(from, from + length)]));
  };
  // A long train with a short end; another client's between two of one; one that is longer than its predecessor.
  for (let block = 0; block < 100; block += 1) send(0, 0x30000 + block, block * 512, 512);
  send(0, 0x30064, 51_200, 17);
  send(0, 0xffffffff, 0, 17);
  send(1, 1, 3, 100);
  send(0, 2, 9, 100);
  send(1, 3, 5, 100);
  send(1, 4, 5, 200);
  send(1, 5, 5, 0);
  port.send(Buffer.from("plain"), localhostNumber, clients[1].port);
  expected[1].push(Buffer.from("plain"));
  send(1, 6, 5, 0);
  await Promise.all(clients.map((client, index) => client.count(expected[index]?.length ?? 0)));
  assert.deepEqual(clients[0].received, expected[0]);
  assert.deepEqual(clients[1].received, expected[1]);
});

test("a datagram that the kernel refuses costs no other", async (t) => {
  const faults: unknown[] = [];
  const port = await openPort(t, {
    onDatagram: () => undefined,
    onSendFault: (fault) => faults.push(fault),
  });
  const client = await openClient(t);
  port.send(Buffer.from("one"), localhostNumber, client.port);
  port.send(Buffer.from("nowhere"), localhostNumber, 0); // nobody has port 0: EINVAL
  port.send(Buffer.from("two"), localhostNumber, client.port);
  await client.count(2);
  assert.deepEqual(client.received.map(String), ["one", "two"]);
  assert.deepEqual(faults, [{ name: "EINVAL", address: localhostNumber, port: 0 }]);
  assert.equal(port.status().unsent, 1);
});

test("clients whose ports are closed cost no other, nor the process", async (t) => {
  const faults: unknown[] = [];
  const port = await openPort(t, {
    onDatagram: () => undefined,
    onSendFault: (fault) => faults.push(fault),
    onError: (error) => faults.push(error),
  });
  const gone = await openClient(t);
  const here = await openClient(t);
  gone.socket.close();
  await once(gone.socket, "close");
  for (let index = 1; index <= 50; index += 1) {
    port.send(Buffer.alloc(1000), localhostNumber, gone.port);
    port.flush();
    port.send(Buffer.from("here"), localhostNumber, here.port);
    await here.count(index);
  }
  assert.deepEqual(faults, []);
  assert.equal(port.status().unsent, 0);
});

test("a datagram longer than asked for is dropped and counted", async (t) => {
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const port = await openPort(
    t,
    {
      onDatagram: (bytes) => {
        seen.push(bytes.toString());
        if (seen.at(-1) === "end") resolve();
      },
    },
    { datagramBytes: 16 },
  );
  const client = await openClient(t);
  for (const text of ["short", "far too long for it", "another one too long", "end"]) {
    client.socket.send(text, port.port, localhost);
  }
  await promise;
  assert.deepEqual(seen, ["short", "end"]);
  assert.equal(port.status().truncated, 2);
});

test("hands over nothing once it is closed, even in the middle of a batch", async (t) => {
  let seen = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const port: DatagramPort = await openPort(t, {
    onDatagram: (_bytes, address, from) => {
      seen += 1;
      port.send(Buffer.from("last"), address, from);
      port.close();
      resolve();
    },
  });
  const client = await openClient(t);
  for (let index = 0; index < 20; index += 1) client.socket.send("x", port.port, localhost);
  await promise;
  await client.count(1);
  assert.equal(seen, 1);
  port.send(Buffer.from("never"), localhostNumber, client.port);
  port.flush();
});

test("has room for a burst", async (t) => {
  const port = await openPort(t, { onDatagram: () => undefined });
  const status = port.status();
  // Without CAP_NET_ADMIN the kernel gives what net.core.rmem_max allows, at least Linux's own default.
  assert.ok(status.receiveBufferBytes >= 212_992, `${status.receiveBufferBytes}`);
  assert.ok(status.sendBufferBytes >= 212_992, `${status.sendBufferBytes}`);
  assert.equal(status.overflowed, 0);
});
