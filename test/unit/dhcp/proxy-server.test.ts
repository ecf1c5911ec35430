import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../../server/dhcp/decode.ts";
import { encode } from "../../../server/dhcp/encode.ts";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import type { DhcpPacket } from "../../../server/dhcp/packet.ts";
import { type ProxySocket, type Sender, createProxyServer } from "../../../server/dhcp/proxy-server.ts";
import { type Log, silentLog } from "../../../server/lib/log.ts";
import type { BootEvent } from "../../../server/model/boot-event.ts";
import { ask, directoryOf, goldenPacket, ip, siteOf } from "../../support/dhcp-scene.ts";

type Receive = (bytes: Uint8Array, from: Sender) => void;
type Sent = { packet: DhcpPacket; port: number; address: string };

/** One port's wire in memory. */
class Wire implements ProxySocket {
  readonly sent: Sent[] = [];
  closed = false;
  failure: Error | null = null;
  #receive: Receive = () => undefined;

  on(event: "message" | "error", listener: (...args: never[]) => void): unknown {
    if (event === "message") this.#receive = listener as unknown as Receive;
    return this;
  }

  send(bytes: Uint8Array, port: number, address: string, done: (error: Error | null) => void): void {
    if (this.failure === null) this.sent.push({ packet: decode(bytes), port, address });
    done(this.failure);
  }

  close(): void {
    this.closed = true;
  }

  receive(packet: DhcpPacket | Uint8Array, from: Sender = { address: "10.77.0.83", port: 68 }): void {
    this.#receive(packet instanceof Uint8Array ? packet : encode(packet).bytes, from);
  }
}

type Options = { mode: "server" | "proxy"; dhcp?: number; failing?: number };

function makeServer({ mode, dhcp = 67, failing }: Options) {
  const wires = new Map<number, Wire>();
  const events: BootEvent[] = [];
  const errors: string[] = [];
  const { urls, ...site } = siteOf();
  const log: Log = { ...silentLog, error: (_fields, message) => errors.push(message) };
  const server = createProxyServer({
    config: {
      ...site,
      mode,
      interface: "rack0",
      ports: { dhcp, bootServer: 4011, tftp: 69, http: 8080, nfs: 2049 },
    },
    urls,
    directory: directoryOf([]),
    record: (event) => events.push(event),
    log,
    clock: { nowMs: () => 7 },
    openSocket: ({ device, address, port }) => {
      assert.deepEqual([device, address], ["rack0", "0.0.0.0"]);
      if (port === failing) return Promise.reject(new Error("taken"));
      const wire = new Wire();
      wires.set(port, wire);
      return Promise.resolve(wire);
    },
  });
  return { server, wires, events, errors };
}

const pxe = [
  optionOf(option.vendorClass, "PXEClient:Arch:00007:UNDI:003016"),
  optionOf(option.architectures, [7]),
];

test("a head that gives out addresses itself leaves port 67 to that, and answers on 4011", async () => {
  const { server, wires } = makeServer({ mode: "server" });
  await server.start();
  assert.deepEqual([...wires.keys()], [4011]);
  // EDK2 sends from port 4011 and listens there.
  const request = ask("REQUEST", { mac: "52:54:00:00:00:0a", ciaddr: ip("10.77.0.83"), options: pxe });
  wires.get(4011)?.receive(request, { address: "10.77.0.83", port: 4011 });
  const [reply] = wires.get(4011)?.sent ?? [];
  assert.deepEqual([reply?.address, reply?.port], ["10.77.0.83", 4011]);
  assert.equal(reply?.packet.file, "boot/52-54-00-00-00-0a/loader/snponly.efi");
  assert.deepEqual(server.counters(), { received: 1, "received.REQUEST": 1, "sent.ACK": 1 });
  await server.stop();
  assert.equal(wires.get(4011)?.closed, true);
});

test("beside another server: an offer on port 67, to every machine of the wire", async () => {
  const { server, wires, events } = makeServer({ mode: "proxy" });
  await server.start();
  assert.deepEqual(
    [...wires.keys()].sort((left, right) => left - right),
    [67, 4011],
  );
  wires.get(67)?.receive(goldenPacket("edk2-x64-pxe-discover"));
  const [reply] = wires.get(67)?.sent ?? [];
  assert.deepEqual([reply?.address, reply?.port], ["255.255.255.255", 68]);
  assert.equal(reply?.packet.yiaddr, "0.0.0.0");
  assert.deepEqual(
    events.map(({ kind, atMs }) => [kind, atMs]),
    [["offered", 7]],
  );
  await server.stop();
});

test("with a DHCP port of one's own the client's is the next", async () => {
  const { server, wires } = makeServer({ mode: "proxy", dhcp: 1067 });
  await server.start();
  wires.get(1067)?.receive(goldenPacket("edk2-x64-pxe-discover"));
  assert.equal(wires.get(1067)?.sent[0]?.port, 1068);
});

test("what cannot be read or sent is counted, and the next is answered", async () => {
  const { server, wires, errors } = makeServer({ mode: "proxy" });
  await server.start();
  const wire = wires.get(67);
  assert.ok(wire);
  const discover = goldenPacket("edk2-x64-pxe-discover");
  wire.receive(discover.subarray(0, 200));
  wire.receive(goldenPacket("networkd-discover"));
  wire.receive(goldenPacket("dnsmasq-offer"));
  wire.failure = new Error("no route");
  wire.receive(discover);
  wire.failure = null;
  wire.receive(discover);
  assert.deepEqual(server.counters(), {
    received: 5,
    "dropped.malformed.truncated": 1,
    "received.DISCOVER": 3,
    "dropped.not-booting": 1,
    "dropped.not-a-request": 1,
    "send-failed": 1,
    "sent.OFFER": 1,
  });
  assert.deepEqual(errors, []);
});

test("a port that is taken takes the other down with it", async () => {
  const { server, wires } = makeServer({ mode: "proxy", failing: 67 });
  await assert.rejects(server.start(), /taken/);
  assert.equal(wires.get(4011)?.closed, true);
});
