import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { decode } from "../../../server/dhcp/decode.ts";
import { encode } from "../../../server/dhcp/encode.ts";
import type { LeaseStore } from "../../../server/dhcp/lease-writer.ts";
import { option } from "../../../server/dhcp/option-table.ts";
import type { DhcpPacket } from "../../../server/dhcp/packet.ts";
import { type DhcpServer, createDhcpServer } from "../../../server/dhcp/server.ts";
import { ipv4FromNumber } from "../../../server/lib/ipv4.ts";
import { type Log, silentLog } from "../../../server/lib/log.ts";
import type { BootEvent } from "../../../server/model/boot-event.ts";
import type { ClusterNode, Lease } from "../../../server/model/node.ts";
import type { AddressProbe, ProbeAnswer } from "../../../server/net/address-probe.ts";
import type { LinkSender } from "../../../server/net/link-sender.ts";
import type { DatagramHandlers, DatagramPort } from "../../../server/net/datagram-port.ts";
import {
  ask,
  directoryOf,
  goldenPacket,
  ip,
  mac as macOf,
  nodeOf,
  read,
  renew,
  select,
  siteOf,
} from "../../support/dhcp-scene.ts";

const anna = { mac: "52:54:00:00:00:0a" };
const bert = { mac: "52:54:00:00:00:0b" };
const carl = { mac: "52:54:00:00:00:0c" };

type Sent = { packet: DhcpPacket; port: number; address: string };

/** A wire in memory: what the server sends, and a way to hand it packets. Like the real one it uses one buffer for all. */
class Wire {
  readonly sent: Sent[] = [];
  closed = false;
  failure: string | undefined;
  waitingBytes = 0;
  readonly #buffer = Buffer.alloc(65_536);
  #handlers: DatagramHandlers = { onDatagram: () => undefined };

  open(handlers: DatagramHandlers): DatagramPort {
    this.#handlers = handlers;
    return {
      port: 67,
      send: (bytes, address, port) => {
        if (this.failure !== undefined) handlers.onSendFault?.({ name: this.failure, address, port });
        else this.sent.push({ packet: decode(Buffer.from(bytes)), port, address: ipv4FromNumber(address) });
      },
      sendPinned: () => assert.fail("DHCP has no such replies"),
      flush: () => undefined,
      status: () => ({
        waitingBytes: this.waitingBytes,
        receiveBufferBytes: 1_000_000,
        sendBufferBytes: 1_000_000,
        overflowed: 0,
        truncated: 0,
        unsent: 0,
      }),
      close: () => (this.closed = true),
    };
  }

  receive(packet: DhcpPacket | Uint8Array): void {
    const bytes = packet instanceof Uint8Array ? packet : encode(packet).bytes;
    this.#buffer.set(bytes);
    this.#handlers.onDatagram(this.#buffer.subarray(0, bytes.length), 0x0a4d0009, 68);
    this.#buffer.fill(0xee); // the next datagram overwrites it
  }
}

/** A store whose commits end when the test says so, and how it says. */
class SlowStore implements LeaseStore {
  readonly calls: (readonly Lease[])[] = [];
  readonly disk = new Map<string, Lease>();
  #pending: { leases: readonly Lease[]; resolve: () => void; reject: (error: Error) => void }[] = [];
  loaded: readonly Lease[] = [];

  loadLeases = async (): Promise<readonly Lease[]> => await Promise.resolve(this.loaded);

  saveLeases = async (leases: readonly Lease[]): Promise<void> => {
    this.calls.push(leases);
    await new Promise<void>((resolve, reject) => this.#pending.push({ leases, resolve, reject }));
  };

  async succeed(): Promise<void> {
    const first = this.#pending.shift();
    assert.ok(first, "no commit is under way");
    for (const lease of first.leases) this.disk.set(lease.ip, lease);
    first.resolve();
    await settled();
  }

  async fail(): Promise<void> {
    const first = this.#pending.shift();
    assert.ok(first, "no commit is under way");
    first.reject(new Error("ENOSPC: no space left on device"));
    await settled();
  }
}

/** Lets everything that can happen without the outside happen: two turns of the event loop. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

type Bench = {
  /** The sockets, in the order of opening. */
  opened: string[];
  server: DhcpServer;
  wire: Wire;
  store: SlowStore;
  events: BootEvent[];
  errors: string[];
  nodes: ClusterNode[];
  time: { nowMs: number };
};

async function bench(
  changes: {
    store?: LeaseStore;
    loaded?: readonly Lease[];
    dhcp?: number;
    probe?: AddressProbe;
    link?: FakeLink;
    linkFails?: string;
    warnings?: string[];
  } = {},
): Promise<Bench> {
  const wire = new Wire();
  const store = new SlowStore();
  store.loaded = changes.loaded ?? [];
  const events: BootEvent[] = [];
  const errors: string[] = [];
  const opened: string[] = [];
  const nodes: ClusterNode[] = [];
  const time = { nowMs: 0 };
  const { urls, ...site } = siteOf();
  const log: Log = {
    ...silentLog,
    error: (_, message) => errors.push(message),
    warn: (_, message) => changes.warnings?.push(message),
  };
  const ports = { dhcp: changes.dhcp ?? 67, bootServer: 4011, tftp: 69, http: 8080, nfs: 2049 };
  const server = createDhcpServer({
    config: {
      ...site,
      dhcp: {
        probe: changes.probe === undefined ? "off" : "auto",
        broadcast: changes.link === undefined ? "always" : "asked",
      },
      interface: "rack0",
      ports,
    },
    urls,
    directory: directoryOf(nodes),
    store: changes.store ?? store,
    record: (event) => events.push(event),
    log,
    clock: { nowMs: () => time.nowMs },
    openProbe: (device) => {
      assert.equal(device, "rack0");
      return changes.probe ?? assert.fail("nobody is asked");
    },
    openLink: (device, from) => {
      opened.push("link");
      assert.deepEqual([device, from], ["rack0", { address: 0x0a4d0001, port: ports.dhcp }]);
      if (changes.linkFails !== undefined) throw new Error(changes.linkFails);
      return changes.link ?? assert.fail("there is to be no packet socket");
    },
    openPort: async (place, handlers) => {
      opened.push("port");
      assert.deepEqual(place, { device: "rack0", address: "0.0.0.0", port: ports.dhcp });
      return await Promise.resolve(wire.open(handlers));
    },
  });
  await server.start();
  return { opened, server, wire, store, events, errors, nodes, time };
}

function types(wire: Wire): (string | undefined)[] {
  return wire.sent.map(({ packet }) => read(packet, option.messageType));
}

test("an OFFER goes out at once, by broadcast to the client port, and is told", async () => {
  const { wire, events, server } = await bench();
  wire.receive(ask("DISCOVER", anna));
  await settled();
  assert.deepEqual(types(wire), ["OFFER"]);
  assert.deepEqual([wire.sent[0]?.address, wire.sent[0]?.port], ["255.255.255.255", 68]);
  assert.deepEqual(
    events.map((event) => event.kind),
    ["offered"],
  );
  assert.deepEqual(server.counters(), { received: 1, "received.DISCOVER": 1, "sent.OFFER": 1 });
});

/** What leaves for a machine's hardware address, or does not. */
class FakeLink implements LinkSender {
  readonly sent: (Parameters<LinkSender["send"]>[1] & { type: string | undefined })[] = [];
  works = true;
  closed = false;

  send(bytes: Uint8Array, to: Parameters<LinkSender["send"]>[1]): boolean {
    if (this.works) this.sent.push({ ...to, type: read(decode(Buffer.from(bytes)), option.messageType) });
    return this.works;
  }

  close(): void {
    this.closed = true;
  }
}

test("without the broadcast flag, OFFER and ACK go to the new address at the hardware's", async () => {
  const link = new FakeLink();
  const { wire, store, server } = await bench({ link });
  wire.receive(ask("DISCOVER", anna));
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  await store.succeed();
  const to = { mac: macOf(anna.mac), address: 0x0a4d00c8, port: 68 };
  assert.deepEqual(link.sent, [
    { ...to, type: "OFFER" },
    { ...to, type: "ACK" },
  ]);
  assert.deepEqual(wire.sent, []);
  await server.stop();
  assert.equal(link.closed, true);
});

test("by broadcast: who asks for it, and whoever cannot be reached at its hardware address", async () => {
  const link = new FakeLink();
  const { wire, server } = await bench({ link });
  wire.receive(ask("DISCOVER", { ...anna, flags: 0x8000 }));
  link.works = false;
  wire.receive(ask("DISCOVER", bert));
  await settled();
  assert.deepEqual(link.sent, []);
  assert.deepEqual(
    wire.sent.map(({ address, port }) => [address, port]),
    [
      ["255.255.255.255", 68],
      ["255.255.255.255", 68],
    ],
  );
  assert.equal(server.counters()["unicast-failed"], 1);
});

test("by broadcast to all, where that is set: there is no packet socket then", async () => {
  const { wire, opened } = await bench();
  wire.receive(ask("DISCOVER", anna));
  await settled();
  assert.deepEqual(
    wire.sent.map(({ address }) => address),
    ["255.255.255.255"],
  );
  assert.deepEqual(opened, ["port"]);
});

test("without the right to packet sockets, all are answered by broadcast, and that is said once", async () => {
  const link = new FakeLink();
  const warnings: string[] = [];
  const { wire } = await bench({ link, linkFails: "EPERM", warnings });
  wire.receive(ask("DISCOVER", anna));
  wire.receive(ask("DISCOVER", bert));
  await settled();
  assert.deepEqual(types(wire), ["OFFER", "OFFER"]);
  assert.deepEqual(warnings, ["DHCP: clients that have no address yet are answered by broadcast"]);
});

test("no ACK before its lease is durable", async () => {
  const { wire, store } = await bench();
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  assert.deepEqual(types(wire), []);
  assert.equal(store.calls.length, 1);
  await store.succeed();
  assert.deepEqual(types(wire), ["ACK"]);
  assert.equal(store.disk.get("10.77.0.200")?.mac, anna.mac);
});

test("several leases of one turn of the event loop, and all that comes during a commit, are one commit each", async () => {
  const { wire, store } = await bench();
  wire.receive(select(anna, "10.77.0.200"));
  wire.receive(select(bert, "10.77.0.201"));
  await settled();
  assert.deepEqual(
    store.calls.map((leases) => leases.length),
    [2],
  );
  wire.receive(select(carl, "10.77.0.202"));
  wire.receive(renew(anna, "10.77.0.200"));
  await settled();
  assert.equal(store.calls.length, 1, "the first is still under way");
  await store.succeed();
  assert.deepEqual(types(wire), ["ACK", "ACK"]);
  assert.deepEqual(
    store.calls.map((leases) => leases.length),
    [2, 2],
  );
  await store.succeed();
  assert.deepEqual(types(wire), ["ACK", "ACK", "ACK", "ACK"]);
});

test("an address is taken from the moment it is decided on, not only when the disk has it", async () => {
  const { wire, store } = await bench();
  wire.receive(select(anna, "10.77.0.200"));
  wire.receive(select(bert, "10.77.0.200"));
  await settled();
  await store.succeed();
  assert.deepEqual(
    wire.sent.map(({ packet }) => [read(packet, option.messageType), packet.chaddr[5]]),
    [
      ["NAK", 0x0b],
      ["ACK", 0x0a],
    ],
  );
});

test("disk full: no ACK, an error in the log, the address free again, and the head goes on", async () => {
  const { wire, store, server, errors } = await bench();
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  await store.fail();
  assert.deepEqual(types(wire), []);
  assert.deepEqual(errors, ["leases could not be saved: not acknowledged"]);
  assert.equal(server.counters()["dropped.not-saved"], 1);
  assert.deepEqual(server.leases(), []);
  wire.receive(select(bert, "10.77.0.200"));
  await settled();
  await store.succeed();
  assert.deepEqual(types(wire), ["ACK"]);
  assert.equal(server.leases()[0]?.mac, bert.mac);
});

test("disk full while renewing: the table keeps the lease that is on disk", async () => {
  const { wire, store, server, time } = await bench();
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  await store.succeed();
  time.nowMs = 1000;
  wire.receive(renew(anna, "10.77.0.200"));
  await settled();
  time.nowMs = 2000;
  wire.receive(renew(anna, "10.77.0.200"));
  await settled();
  await store.fail();
  assert.equal(server.leases()[0]?.expiresAtMs, 3_602_000, "the newer renewal waits for its own commit");
  await store.fail();
  assert.deepEqual(server.leases(), [...store.disk.values()]);
  assert.deepEqual(types(wire), ["ACK"]);
});

test("a commit that fails after a newer one was decided does not undo what the newer one saves", async () => {
  const { wire, store, server, time } = await bench();
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  time.nowMs = 1000;
  wire.receive(renew(anna, "10.77.0.200"));
  await settled();
  await store.fail();
  await store.succeed();
  assert.deepEqual(server.leases(), [...store.disk.values()]);
  assert.deepEqual(types(wire), ["ACK"]);
});

test("a store that throws at once is a failed commit like any other", async () => {
  const store: LeaseStore = {
    loadLeases: async () => await Promise.resolve([]),
    saveLeases: () => {
      throw new Error("database is locked");
    },
  };
  const { wire, server } = await bench({ store });
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  assert.equal(server.counters()["dropped.not-saved"], 1);
  assert.deepEqual(server.leases(), []);
});

test("a node's lease is on record too, and its RELEASE is saved without an answer", async () => {
  const { wire, store, nodes } = await bench();
  nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac]));
  wire.receive(select(anna, "10.77.0.11"));
  await settled();
  await store.succeed();
  assert.equal(store.disk.get("10.77.0.11")?.hostname, "n001");
  wire.receive(ask("RELEASE", { ...anna, ciaddr: ip("10.77.0.11") }));
  await settled();
  await store.succeed();
  assert.equal(store.disk.get("10.77.0.11")?.state, "released");
  assert.deepEqual(types(wire), ["ACK"]);
});

test("leases of before the start count", async () => {
  const lease: Lease = {
    ip: ip("10.77.0.200"),
    client: "mac:x",
    mac: nodeOf("x", "10.0.0.1", [bert.mac]).macs[0] ?? ("" as Lease["mac"]),
    state: "bound",
    startedAtMs: 0,
    expiresAtMs: 10_000,
  };
  const { wire } = await bench({ loaded: [lease] });
  wire.receive(ask("DISCOVER", anna));
  wire.receive(ask("DISCOVER", bert));
  await settled();
  assert.deepEqual(
    wire.sent.map(({ packet }) => packet.yiaddr),
    ["10.77.0.201", "10.77.0.200"],
  );
});

test("junk is dropped and counted by what was wrong with it, and the next packet is answered", async () => {
  const { wire, server } = await bench();
  const golden = goldenPacket("networkd-discover");
  wire.receive(new Uint8Array());
  wire.receive(golden.subarray(0, 250));
  wire.receive(Uint8Array.from(golden).with(236, 1));
  wire.receive(ask("DISCOVER", { ...anna, options: [[61, new Uint8Array()]] }));
  wire.receive(Uint8Array.from(golden).with(2, 200));
  wire.receive({ ...ask("DISCOVER", anna), op: 2 });
  wire.receive({ ...ask("DISCOVER", anna), htype: 6 });
  wire.receive(new Uint8Array(65_507).fill(255));
  wire.receive(golden);
  await settled();
  assert.deepEqual(server.counters(), {
    received: 9,
    "dropped.malformed.truncated": 2,
    "received.BOOTP": 1,
    "dropped.unknown-machine": 1,
    "dropped.malformed.bad-value": 3,
    "dropped.not-a-request": 1,
    "dropped.not-ethernet": 1,
    "received.DISCOVER": 1,
    "sent.OFFER": 1,
  });
});

test("when the disk cannot keep up, requests are dropped, not queued without end", async () => {
  const { wire, server, nodes } = await bench();
  nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac]));
  wire.receive(select(anna, "10.77.0.11"));
  await settled();
  for (let count = 0; count < 5000; count += 1) wire.receive(select(anna, "10.77.0.11"));
  await settled();
  assert.equal(server.counters()["dropped.overloaded"], 5000 - 4096);
  wire.receive(ask("DISCOVER", bert));
  assert.deepEqual(types(wire), []);
});

test("with the receive buffer half full no exchange is begun any more, those under way are finished", async () => {
  const { wire, store, server } = await bench();
  wire.receive(ask("DISCOVER", anna));
  wire.waitingBytes = 600_000;
  for (let count = 0; count < 100; count += 1) wire.receive(ask("DISCOVER", bert));
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  await store.succeed();
  assert.deepEqual(types(wire).slice(-1), ["ACK"]);
  const dropped = server.counters()["dropped.busy"] ?? 0;
  assert.ok(dropped > 60, `${dropped} of 100 DISCOVERs dropped`);
  wire.waitingBytes = 0;
  for (let count = 0; count < 100; count += 1) wire.receive(ask("DISCOVER", carl));
  assert.deepEqual(types(wire).slice(-1), ["OFFER"]);
  assert.ok(
    (server.counters()["dropped.busy"] ?? 0) < dropped + 40,
    "and is over when the buffer is empty again",
  );
});

test("a packet that cannot be sent is counted", async () => {
  const { wire, server } = await bench();
  wire.failure = "ENETUNREACH";
  wire.receive(ask("DISCOVER", anna));
  await settled();
  assert.equal(server.counters()["send-failed"], 1);
});

test("stop closes the port and waits for the commit that is under way", async () => {
  const { wire, store, server } = await bench();
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  const done: string[] = [];
  const stopping = (async () => {
    await server.stop();
    done.push("stopped");
  })();
  await settled();
  assert.deepEqual([wire.closed, done], [true, []]);
  await store.succeed();
  await stopping;
  assert.deepEqual(done, ["stopped"]);
  assert.deepEqual(types(wire), [], "its ACK has no socket to go by: the client asks again");
});

test("on another port than 67 the client's port is the next one", async () => {
  const { wire } = await bench({ dhcp: 6767 });
  wire.receive(ask("DISCOVER", anna));
  wire.receive(ask("DISCOVER", { ...bert, giaddr: ip("10.77.0.9") }));
  await settled();
  assert.deepEqual(
    wire.sent.map(({ port, address }) => [port, address]),
    [
      [6768, "255.255.255.255"],
      [6767, "10.77.0.9"],
    ],
  );
});

/** A wire on which some addresses are in use; the time passes when the test says so. */
class Neighbours implements AddressProbe {
  readonly asked: string[] = [];
  readonly #users: ReadonlyMap<string, string | undefined>;
  #pending: ProbeAnswer[] = [];

  constructor(users: Readonly<Record<string, string | undefined>>) {
    this.#users = new Map(Object.entries(users));
  }

  ask(address: number, by: "arp" | "echo"): void {
    const text = ipv4FromNumber(address);
    this.asked.push(`${text} by ${by}`);
    if (!this.#users.has(text)) return;
    const user = this.#users.get(text);
    this.#pending.push({ address, ...(user === undefined ? {} : { mac: macOf(user) }) });
  }

  answers(): ProbeAnswer[] {
    const answers = this.#pending;
    this.#pending = [];
    return answers;
  }

  close(): void {
    this.#pending = [];
  }
}

/** Lets a probe come to its end. */
async function later(t: TestContext, time: { nowMs: number }): Promise<void> {
  time.nowMs += 200;
  t.mock.timers.tick(200);
  await settled();
}

test("an address of the pool is offered when nobody answers for it, and asked for once", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const probe = new Neighbours({});
  const { wire, time, store } = await bench({ probe });
  wire.receive(ask("DISCOVER", anna));
  wire.receive(ask("DISCOVER", anna));
  assert.deepEqual(types(wire), [], "not before it is known");
  await later(t, time);
  assert.deepEqual(types(wire), ["OFFER"]);
  wire.receive(ask("DISCOVER", anna));
  wire.receive(select(anna, "10.77.0.200"));
  await settled();
  await store.succeed();
  wire.receive(ask("DISCOVER", anna));
  assert.deepEqual(types(wire), ["OFFER", "OFFER", "ACK", "OFFER"]);
  assert.deepEqual(probe.asked, ["10.77.0.200 by arp"]);
});

test("an address that somebody has typed in by hand is never offered, and told", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const probe = new Neighbours({ "10.77.0.200": "52:54:00:00:00:99" });
  const { wire, time, store, events, server } = await bench({ probe });
  wire.receive(ask("DISCOVER", anna));
  await later(t, time);
  await store.succeed();
  assert.deepEqual(types(wire), []);
  assert.deepEqual(
    events.map((event) => (event.kind === "refused" ? event.message : event.kind)),
    [
      "10.77.0.200 of the pool is in use by a machine that was not given it: 52:54:00:00:00:99 answers for it",
    ],
  );
  assert.equal(store.disk.get("10.77.0.200")?.state, "declined");
  wire.receive(ask("DISCOVER", anna));
  await later(t, time);
  assert.deepEqual(
    wire.sent.map(({ packet }) => packet.yiaddr),
    ["10.77.0.201"],
  );
  assert.equal(server.counters()["probe.taken"], 1);
});

test("behind a relay it is asked for by ICMP; the machine's own answer is no conflict", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const probe = new Neighbours({ "10.77.0.201": bert.mac });
  const { wire, time } = await bench({ probe });
  wire.receive(ask("DISCOVER", { ...anna, giaddr: ip("10.77.0.9") }));
  wire.receive(ask("DISCOVER", bert));
  await later(t, time);
  assert.deepEqual(probe.asked, ["10.77.0.200 by echo", "10.77.0.201 by arp"]);
  assert.deepEqual(
    wire.sent.map(({ packet }) => packet.yiaddr),
    ["10.77.0.201", "10.77.0.200"],
  );
});

test("no node and no machine with a lease ever waits for a probe", async () => {
  const probe = new Neighbours({});
  const { wire, store, nodes } = await bench({ probe });
  nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac]));
  wire.receive(ask("DISCOVER", anna));
  wire.receive(select(bert, "10.77.0.200"));
  await settled();
  await store.succeed();
  wire.receive(renew(bert, "10.77.0.200"));
  await settled();
  await store.succeed();
  wire.receive(ask("DISCOVER", bert));
  assert.deepEqual(types(wire), ["OFFER", "ACK", "ACK", "OFFER"]);
  assert.deepEqual(probe.asked, []);
});

test("a server with much to do offers without asking", async () => {
  const probe = new Neighbours({});
  const { wire, server } = await bench({ probe });
  for (let count = 0; count < 300; count += 1) wire.receive(ask("DISCOVER", anna));
  wire.receive(ask("DISCOVER", bert));
  assert.deepEqual(types(wire).slice(-1), ["OFFER"]);
  assert.equal(wire.sent.at(-1)?.packet.yiaddr, "10.77.0.201");
  assert.equal(server.counters()["probe.skipped"], 1);
  await server.stop();
});
