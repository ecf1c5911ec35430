import assert from "node:assert/strict";
import { test } from "node:test";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import {
  type Ask,
  Scene,
  ask,
  brief,
  initReboot,
  ip,
  mac,
  nodeOf,
  ownNetwork,
  read,
  renew,
  select,
} from "../../support/dhcp-scene.ts";

const anna: Ask = { mac: "52:54:00:00:00:0a" };
const bert: Ask = { mac: "52:54:00:00:00:0b" };
const carl: Ask = { mac: "52:54:00:00:00:0c" };
const dora: Ask = { mac: "52:54:00:00:00:0d" };

function sceneWithNode(): Scene {
  const scene = new Scene();
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac, bert.mac]));
  return scene;
}

function messages(outcome: { events: readonly { kind: string }[] }): string[] {
  return outcome.events.map((event) => event.kind);
}

test("an unknown machine: DISCOVER, OFFER, REQUEST, ACK, and its lease is on record", () => {
  const scene = new Scene();
  const offer = scene.at(0).send(ask("DISCOVER", anna));
  assert.equal(brief(offer), "OFFER 10.77.0.200");
  assert.equal(scene.view.leases.get(ip("10.77.0.200")), undefined, "an offer is no lease");
  const ack = scene
    .at(1)
    .send(select({ ...anna, options: [optionOf(option.hostname, "pc7")] }, "10.77.0.200"));
  assert.equal(brief(ack), "ACK 10.77.0.200");
  assert.deepEqual(scene.view.leases.all(), [
    {
      ip: "10.77.0.200",
      client: "mac:52:54:00:00:00:0a",
      mac: anna.mac,
      hostname: "pc7",
      state: "bound",
      startedAtMs: 1000,
      expiresAtMs: 3_601_000,
    },
  ]);
});

test("the network's parameters, the times and the server's identity are in OFFER and ACK", () => {
  const scene = sceneWithNode();
  for (const packet of [ask("DISCOVER", anna), select(anna, "10.77.0.11")]) {
    const { wire } = scene.send(packet);
    assert.ok(wire);
    assert.equal(wire.op, 2);
    assert.equal(wire.xid, 0x12345678);
    assert.equal(wire.siaddr, "0.0.0.0", "a running system is given nothing to boot");
    assert.equal(read(wire, option.serverId), "10.77.0.1");
    assert.equal(read(wire, option.subnetMask), "255.255.255.0");
    assert.equal(read(wire, option.broadcast), "10.77.0.255");
    assert.deepEqual(read(wire, option.routers), ["10.77.0.254"]);
    assert.deepEqual(read(wire, option.dns), ["10.77.0.1"]);
    assert.equal(read(wire, option.domain), "rack.test");
    assert.equal(read(wire, option.hostname), "n001");
    assert.equal(read(wire, option.leaseSeconds), 3600);
    assert.equal(read(wire, option.renewSeconds), 1800);
    assert.equal(read(wire, option.rebindSeconds), 3150);
  }
});

test("no router configured, no default route given", () => {
  const scene = new Scene();
  const { router: _, ...network } = ownNetwork;
  Object.assign(scene.view.site, { networks: [network] });
  assert.equal(read(scene.send(ask("DISCOVER", anna)).wire, option.routers), undefined);
});

test("a reservation is the node's by any of its ports and whatever client identifier comes with it", () => {
  const scene = sceneWithNode();
  const stages: Ask[] = [
    anna,
    { ...anna, clientId: "01525400000 00a".replace(" ", "") },
    { ...anna, clientId: "ff0102030405" },
    bert,
  ];
  for (const [at, stage] of stages.entries()) assert.equal(scene.at(at).join(stage), "10.77.0.11");
  assert.equal(scene.view.leases.all().length, 1, "one address, one lease");
  assert.equal(scene.view.leases.get(ip("10.77.0.11"))?.mac, bert.mac);
  assert.equal(scene.view.leases.get(ip("10.77.0.11"))?.hostname, "n001");
});

test("firmware, iPXE and system of one unknown machine use one pool address, not three", () => {
  const scene = new Scene();
  const stages: Ask[] = [
    anna,
    { ...anna, clientId: "0152540000000a" },
    { ...anna, clientId: "ff0102030405" },
  ];
  for (const [at, stage] of stages.entries()) assert.equal(scene.at(at).join(stage), "10.77.0.200");
});

test("machines cloned from one image, with one client identifier, get an address each", () => {
  const scene = new Scene();
  const clone = "ff00112233";
  assert.equal(scene.join({ ...anna, clientId: clone }), "10.77.0.200");
  assert.equal(scene.join({ ...bert, clientId: clone }), "10.77.0.201");
  assert.equal(brief(scene.send(renew({ ...anna, clientId: clone }, "10.77.0.200"))), "ACK 10.77.0.200");
});

test("two clients that ask at once are not offered one address; an offer not taken up runs out", () => {
  const scene = new Scene();
  assert.equal(brief(scene.at(0).send(ask("DISCOVER", anna))), "OFFER 10.77.0.200");
  assert.equal(brief(scene.at(0).send(ask("DISCOVER", bert))), "OFFER 10.77.0.201");
  assert.equal(brief(scene.at(1).send(ask("DISCOVER", anna))), "OFFER 10.77.0.200", "the same again");
  assert.equal(brief(scene.at(2).send(ask("DISCOVER", carl))), "OFFER 10.77.0.202");
  assert.equal(brief(scene.at(3).send(ask("DISCOVER", dora))), "ignore pool-exhausted");
  assert.equal(brief(scene.at(11).send(ask("DISCOVER", dora))), "OFFER 10.77.0.201", "free for longest");
});

test("EDK2 asks 4 s after the offer, and even later is served while nobody else was", () => {
  const scene = new Scene();
  scene.at(0).send(ask("DISCOVER", anna));
  assert.equal(brief(scene.at(30).send(select(anna, "10.77.0.200"))), "ACK 10.77.0.200");
});

test("a client gets the address it asks for where that is free", () => {
  const scene = new Scene();
  const wants = (address: string): Ask => ({ ...anna, options: [optionOf(option.requestedIp, ip(address))] });
  assert.equal(brief(scene.send(ask("DISCOVER", wants("10.77.0.202")))), "OFFER 10.77.0.202");
  const fresh = new Scene();
  fresh.join(bert);
  assert.equal(brief(fresh.send(ask("DISCOVER", wants("10.77.0.200")))), "OFFER 10.77.0.201", "taken");
  assert.equal(
    brief(
      fresh.send(ask("DISCOVER", { ...carl, options: [optionOf(option.requestedIp, ip("10.77.0.50"))] })),
    ),
    "OFFER 10.77.0.202",
    "not of the pool",
  );
});

test("a returning client gets its old address, also after its lease ran out", () => {
  const scene = new Scene();
  scene.at(0).join(bert);
  scene.at(0).join(anna);
  assert.equal(scene.at(100_000).join(anna), "10.77.0.201");
});

test("the pool runs out, says so, and recovers when a lease expires", () => {
  const scene = new Scene();
  for (const client of [anna, bert, carl]) scene.at(0).join(client);
  const refused = scene.at(60).send(ask("DISCOVER", dora));
  assert.equal(brief(refused), "ignore pool-exhausted");
  assert.deepEqual(messages(refused), ["refused"]);
  assert.equal(brief(scene.at(3599).send(ask("DISCOVER", dora))), "ignore pool-exhausted");
  assert.equal(scene.at(3600).join(dora), "10.77.0.200");
  assert.equal(brief(scene.at(3601).send(renew(anna, "10.77.0.200"))), "NAK", "it came too late");
});

test("RENEWING and REBINDING: the lease goes on from now, and the answer goes to the client's address", () => {
  const scene = new Scene();
  scene.at(0).join(anna);
  const ack = scene.at(1800).send(renew(anna, "10.77.0.200"));
  assert.equal(brief(ack), "ACK 10.77.0.200");
  assert.ok(ack.kind === "reply");
  assert.deepEqual(ack.to, { address: "10.77.0.200", port: "client" });
  assert.equal(ack.wire?.ciaddr, "10.77.0.200");
  const lease = scene.view.leases.get(ip("10.77.0.200"));
  assert.deepEqual([lease?.startedAtMs, lease?.expiresAtMs], [0, 5_400_000]);
});

test("renewing an address of the pool that we have no record of: taken up when nobody has it", () => {
  const scene = new Scene();
  assert.equal(brief(scene.send(renew(anna, "10.77.0.202"))), "ACK 10.77.0.202");
  assert.equal(brief(scene.send(renew(bert, "10.77.0.202"))), "NAK");
  assert.equal(brief(scene.send(renew(bert, "10.77.0.50"))), "NAK", "not of the pool");
});

test("INIT-REBOOT: its own address is confirmed; a wrong one refused; an unknown one met with silence", () => {
  const scene = new Scene();
  scene.at(0).join(anna);
  assert.equal(brief(scene.at(10).send(initReboot(anna, "10.77.0.200"))), "ACK 10.77.0.200");
  assert.equal(brief(scene.at(10).send(initReboot(bert, "10.77.0.200"))), "NAK", "somebody else's");
  assert.equal(brief(scene.at(10).send(initReboot(bert, "192.168.1.5"))), "NAK", "another network");
  assert.equal(brief(scene.at(10).send(initReboot(bert, "10.77.0.202"))), "ignore no-record");
  assert.equal(
    brief(scene.at(9999).send(initReboot(anna, "10.77.0.200"))),
    "ACK 10.77.0.200",
    "expired, still free",
  );
});

test("INIT-REBOOT of a node: only its reserved address, which needs no record", () => {
  const scene = sceneWithNode();
  assert.equal(brief(scene.send(initReboot(anna, "10.77.0.11"))), "ACK 10.77.0.11");
  assert.equal(brief(scene.send(initReboot(anna, "10.77.0.200"))), "NAK");
});

test("a NAK is broadcast, carries no address, says why, and echoes the client identifier", () => {
  const scene = sceneWithNode();
  const nak = scene.send(renew({ ...anna, clientId: "0152540000000a" }, "10.77.0.200"));
  assert.ok(nak.kind === "reply" && nak.wire !== undefined);
  assert.deepEqual(nak.to, { address: "255.255.255.255", port: "client" });
  assert.deepEqual([nak.wire.yiaddr, nak.wire.ciaddr, nak.wire.siaddr], ["0.0.0.0", "0.0.0.0", "0.0.0.0"]);
  assert.equal(read(nak.wire, option.message), "n001 has the address 10.77.0.11");
  assert.deepEqual(
    [...nak.wire.options.keys()].sort((a, b) => a - b),
    [53, 54, 56, 61],
  );
});

test("a client that chose another server is left alone, and its hold with us runs out", () => {
  const scene = new Scene();
  scene.at(0).send(ask("DISCOVER", anna));
  const chosen = select(anna, "192.168.9.9", ip("10.77.0.2"));
  assert.equal(brief(scene.at(1).send(chosen)), "ignore other-server");
  assert.deepEqual(scene.view.leases.all(), []);
});

test("SELECTING an address that was never offered", () => {
  const scene = sceneWithNode();
  scene.join(carl);
  assert.equal(brief(scene.send(select(dora, "10.77.0.200"))), "NAK", "another machine's lease");
  assert.equal(brief(scene.send(select(dora, "10.77.0.11"))), "NAK", "a node's address");
  assert.equal(brief(scene.send(select(dora, "10.77.0.1"))), "NAK", "the head's own");
  assert.equal(brief(scene.send(select(anna, "10.77.0.201"))), "NAK", "a node takes its own or nothing");
  scene.at(20).send(ask("DISCOVER", bert));
  scene.send(ask("DISCOVER", { mac: "52:54:00:00:00:0e" }));
  assert.equal(brief(scene.send(select(dora, "10.77.0.201"))), "NAK", "offered to another machine");
});

test("a REQUEST that names no address means the one offered (npm's dhcp), or nothing", () => {
  const scene = new Scene();
  assert.equal(brief(scene.send(ask("REQUEST", anna))), "ignore no-address-asked");
  scene.send(ask("DISCOVER", anna));
  assert.equal(brief(scene.send(ask("REQUEST", anna))), "ACK 10.77.0.200");
});

test("a machine added to the inventory while it has a pool lease moves to its reserved address", () => {
  const scene = new Scene();
  scene.at(0).join(anna);
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac]));
  assert.equal(brief(scene.at(10).send(renew(anna, "10.77.0.200"))), "NAK");
  assert.equal(brief(scene.at(10).send(initReboot(anna, "10.77.0.200"))), "NAK");
  assert.equal(scene.at(11).join(anna), "10.77.0.11");
  const old = scene.view.leases.get(ip("10.77.0.200"));
  assert.deepEqual([old?.state, old?.expiresAtMs], ["released", 11_000], "the pool has its address back");
});

test("a machine taken out of the inventory moves to the pool", () => {
  const scene = sceneWithNode();
  scene.at(0).join(anna);
  scene.nodes.length = 0;
  assert.equal(brief(scene.at(10).send(renew(anna, "10.77.0.11"))), "NAK");
  assert.equal(scene.at(11).join(anna), "10.77.0.200");
});

test("a pool address that is reserved for a node is not handed out, and who has it must move", () => {
  const scene = new Scene();
  scene.at(0).join(bert);
  scene.nodes.push(nodeOf("n001", "10.77.0.200", [anna.mac]), nodeOf("n002", "10.77.0.201", [carl.mac]));
  assert.equal(brief(scene.at(10).send(renew(bert, "10.77.0.200"))), "NAK");
  assert.equal(scene.at(11).join(bert), "10.77.0.202");
  assert.equal(scene.at(12).join(anna), "10.77.0.200", "the reservation wins over the lease");
  assert.equal(brief(scene.at(13).send(ask("DISCOVER", dora))), "ignore pool-exhausted");
});

test("the head's and the router's addresses are never handed out, even from a pool around them", () => {
  const scene = new Scene({
    networks: [{ ...ownNetwork, pools: [{ from: ip("10.77.0.253"), to: ip("10.77.0.254") }] }],
    address: ip("10.77.0.253"),
  });
  assert.equal(brief(scene.send(ask("DISCOVER", anna))), "ignore pool-exhausted");
});

test("RELEASE: the address is free at once; only its holder can give it back", () => {
  const scene = new Scene();
  scene.at(0).join(anna);
  const give = (client: Ask) =>
    ask("RELEASE", {
      ...client,
      ciaddr: ip("10.77.0.200"),
      options: [optionOf(option.serverId, ip("10.77.0.1"))],
    });
  assert.equal(brief(scene.at(5).send(give(bert))), "ignore not-holder");
  assert.equal(brief(scene.at(5).send(give(anna))), "note");
  assert.equal(scene.view.leases.get(ip("10.77.0.200"))?.state, "released");
  assert.equal(brief(scene.at(6).send(give(anna))), "ignore not-holder", "twice");
  assert.equal(scene.at(7).join(bert), "10.77.0.201", "never used comes before used");
  assert.equal(scene.at(8).join(anna), "10.77.0.200", "it is still the first choice for who had it");
  const foreign = ask("RELEASE", {
    ...anna,
    ciaddr: ip("10.77.0.200"),
    options: [optionOf(option.serverId, ip("10.77.0.2"))],
  });
  assert.equal(brief(scene.at(9).send(foreign)), "ignore other-server");
  assert.equal(brief(scene.at(9).send(ask("RELEASE", anna))), "ignore no-address-asked");
});

test("DECLINE: a pool address rests for an hour, is told about, and its client gets another", () => {
  const scene = new Scene();
  scene.at(0).join(anna);
  const found = ask("DECLINE", { ...anna, options: [optionOf(option.requestedIp, ip("10.77.0.200"))] });
  const noted = scene.at(1).send(found);
  assert.equal(brief(noted), "note");
  assert.deepEqual(noted.events, [
    {
      kind: "refused",
      mac: anna.mac,
      atMs: 1000,
      step: "offered",
      message: `10.77.0.200 is in use by another machine: ${anna.mac} found it taken`,
    },
  ]);
  assert.equal(scene.at(2).join(anna), "10.77.0.201");
  assert.equal(scene.at(3).join(bert), "10.77.0.202");
  assert.equal(brief(scene.at(3600).send(ask("DISCOVER", carl))), "ignore pool-exhausted");
  assert.equal(brief(scene.at(3601).send(ask("DISCOVER", carl))), "OFFER 10.77.0.200");
});

test("DECLINE from who was never offered the address quarantines nothing", () => {
  const scene = new Scene();
  scene.join(anna);
  const attack = (address: string) =>
    ask("DECLINE", { ...bert, options: [optionOf(option.requestedIp, ip(address))] });
  for (const address of ["10.77.0.200", "10.77.0.201", "10.77.0.1", "192.168.0.1"]) {
    assert.equal(brief(scene.send(attack(address))), "ignore not-holder", address);
  }
  assert.equal(brief(scene.send(ask("DECLINE", bert))), "ignore no-address-asked");
});

test("DECLINE of a reserved address is told about, and the node is still given it", () => {
  const scene = sceneWithNode();
  scene.at(0).join(anna);
  const noted = scene
    .at(1)
    .send(ask("DECLINE", { ...anna, options: [optionOf(option.requestedIp, ip("10.77.0.11"))] }));
  assert.equal(brief(noted), "note");
  assert.deepEqual(messages(noted), ["refused"]);
  assert.equal(scene.at(12).join(anna), "10.77.0.11");
});

test("INFORM: parameters to the client's own address, no lease", () => {
  const scene = new Scene();
  const ack = scene.send(ask("INFORM", { ...anna, ciaddr: ip("10.77.0.77") }));
  assert.ok(ack.kind === "reply" && ack.wire !== undefined);
  assert.deepEqual(ack.to, { address: "10.77.0.77", port: "client" });
  assert.deepEqual([ack.wire.yiaddr, ack.wire.ciaddr], ["0.0.0.0", "10.77.0.77"]);
  assert.equal(read(ack.wire, option.leaseSeconds), undefined);
  assert.equal(read(ack.wire, option.renewSeconds), undefined);
  assert.deepEqual(read(ack.wire, option.dns), ["10.77.0.1"]);
  assert.deepEqual(scene.view.leases.all(), []);
  assert.equal(brief(scene.send(ask("INFORM", anna))), "ignore no-address-asked");
  assert.equal(
    brief(scene.send(ask("INFORM", { ...anna, ciaddr: ip("8.8.8.8") }))),
    "ignore foreign-network",
  );
});

test("relayed: ours is answered to the relay's server port, broadcast flag and hops or not; a foreign one is not", () => {
  const scene = new Scene();
  const relayed: Ask = { ...anna, giaddr: ip("10.77.0.3"), hops: 1, options: [[82, Uint8Array.of(1, 1, 9)]] };
  const offer = scene.send(ask("DISCOVER", relayed));
  assert.ok(offer.kind === "reply" && offer.wire !== undefined);
  assert.deepEqual(offer.to, { address: "10.77.0.3", port: "server" });
  assert.equal(offer.wire.giaddr, "10.77.0.3");
  assert.deepEqual([...(offer.wire.options.get(82) ?? [])], [1, 1, 9]);
  const nak = scene.send(renew(relayed, "192.168.0.9"));
  assert.ok(nak.kind === "reply");
  assert.deepEqual(nak.to, { address: "10.77.0.3", port: "server" });
  assert.equal(nak.wire?.flags, 0x8000, "the relay has to broadcast it");
  assert.equal(
    brief(scene.send(ask("DISCOVER", { ...anna, giaddr: ip("192.168.1.1") }))),
    "ignore foreign-relay",
  );
});

test("an OFFER goes to the address at its hardware address, or to all for who asks so; `ciaddr` means nothing in a DISCOVER", () => {
  const scene = new Scene();
  const straight = { address: "10.77.0.200", port: "client", mac: anna.mac };
  const broadcast = { address: "255.255.255.255", port: "client" };
  const cases = [
    [{ flags: 0 }, straight],
    [{ flags: 0x8000 }, broadcast],
    [{ ciaddr: ip("8.8.8.8") }, straight],
  ] as const;
  for (const [fields, wanted] of cases) {
    const offer = scene.send(ask("DISCOVER", { ...anna, ...fields }));
    assert.ok(offer.kind === "reply");
    assert.deepEqual(offer.to, wanted);
  }
});

test("option 61 and 82 and a PXE client's 97 come back as they were sent", () => {
  const scene = new Scene();
  const uuid = Uint8Array.from({ length: 17 }, (_, at) => at);
  const { wire } = scene.send(
    ask("DISCOVER", {
      ...anna,
      clientId: "ff0102",
      options: [
        [97, uuid],
        [82, Uint8Array.of(2, 1, 5)],
      ],
    }),
  );
  assert.deepEqual([...(wire?.options.get(61) ?? [])], [255, 1, 2]);
  assert.deepEqual([...(wire?.options.get(97) ?? [])], [...uuid]);
  assert.deepEqual([...(wire?.options.get(82) ?? [])], [2, 1, 5]);
});

test("unknown machines ignored: silence for all they send, but the attempt is told once", () => {
  const scene = new Scene({ unknownMachines: "ignore" });
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac]));
  assert.equal(scene.join(anna), "10.77.0.11");
  const refused = scene.send(ask("DISCOVER", bert));
  assert.equal(brief(refused), "ignore unknown-machine");
  assert.deepEqual(messages(refused), ["refused"]);
  const request = scene.send(renew(bert, "10.77.0.9"));
  assert.equal(brief(request), "ignore unknown-machine", "not even a NAK");
  assert.deepEqual(messages(request), []);
});

test("a node whose address is of another network is not served here", () => {
  const scene = new Scene();
  scene.nodes.push(nodeOf("n001", "10.99.0.11", [anna.mac]));
  assert.equal(brief(scene.send(ask("DISCOVER", anna))), "ignore foreign-network");
});

test("what only servers send is ignored", () => {
  const scene = new Scene();
  for (const type of ["OFFER", "ACK", "NAK"] as const) {
    assert.equal(brief(scene.send(ask(type, anna))), "ignore server-message");
  }
});

test("a DISCOVER is told once; a REQUEST and a renewal are not", () => {
  const scene = sceneWithNode();
  const offer = scene
    .at(7)
    .send(ask("DISCOVER", { ...anna, options: [optionOf(option.vendorClass, "udhcp 1.36")] }));
  assert.deepEqual(offer.events, [
    {
      kind: "offered",
      mac: mac(anna.mac),
      nodeId: 1,
      atMs: 7000,
      ip: "10.77.0.11",
      client: "system",
      firmware: "unknown",
      vendorClass: "udhcp 1.36",
    },
  ]);
  assert.deepEqual(messages(scene.send(select(anna, "10.77.0.11"))), []);
  assert.deepEqual(messages(scene.send(renew(anna, "10.77.0.11"))), []);
});
