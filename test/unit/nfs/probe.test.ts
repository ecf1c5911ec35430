import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, describe, it } from "node:test";
import { createProbe } from "../../../server/nfs/probe.ts";

const servers: net.Server[] = [];

/** A server that does as told with every call it gets. */
async function serverThat(act: (socket: net.Socket, call: Buffer) => void): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (call) => act(socket, call as Buffer));
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as net.AddressInfo).port;
}

/** An accepted reply to the call, whose number is in its bytes 4 to 7. */
function accepted(call: Buffer): Buffer {
  const reply = Buffer.alloc(28);
  reply.writeUInt32BE(0x80000018, 0);
  call.copy(reply, 4, 4, 8);
  reply.writeUInt32BE(1, 8);
  return reply;
}

const probeOf = (port: number, timeoutMs = 5000) => createProbe({ address: "127.0.0.1", port, timeoutMs });

after(() => {
  for (const server of servers) server.close();
});

describe("probe", () => {
  it("is content with an answer, even one that comes in pieces", async () => {
    const port = await serverThat((socket, call) => {
      const reply = accepted(call);
      socket.write(reply.subarray(0, 3));
      setImmediate(() => socket.write(reply.subarray(3)));
    });
    assert.deepEqual(await probeOf(port).alive(), { ok: true });
  });

  it("says that nobody listens", async () => {
    const port = await serverThat(() => undefined);
    servers.at(-1)?.close();
    const answer = await probeOf(port).alive();
    assert.equal(answer.ok, false);
    assert.match(JSON.stringify(answer), /ECONNREFUSED/);
  });

  it("says that the server is silent", async () => {
    const port = await serverThat(() => undefined);
    assert.deepEqual(await probeOf(port, 20).alive(), { ok: false, message: "no answer within 0.02 s" });
  });

  it("says that the server closed the connection", async () => {
    const port = await serverThat((socket) => socket.end());
    const answer = await probeOf(port).alive();
    assert.deepEqual(answer, { ok: false, message: "the connection was closed without an answer" });
  });

  it("is not fooled by another protocol", async () => {
    const port = await serverThat((socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert.equal((await probeOf(port).alive()).ok, false);
  });
});
