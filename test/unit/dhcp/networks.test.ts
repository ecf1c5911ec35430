import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import { formatSubnet, type Ipv4, subnetContains } from "../../../server/lib/ipv4.ts";
import { poolOf } from "../../../server/model/network.ts";
import {
  type Ask,
  Scene,
  ask,
  brief,
  initReboot,
  ip,
  networkOf,
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
const emil: Ask = { mac: "52:54:00:00:00:0e" };

/** The head's own wire with two networks, a rack behind a relay with two, and one that has no pool. */
const rack2 = networkOf("10.77.2.0/24", "rack2", { leaseSeconds: 600, domain: "rack2.test", dns: [] });
const rack3 = networkOf("10.77.3.0/24", "rack2");
const rack5 = networkOf("10.77.5.0/24", "10.77.5.0/24", { pools: [] });
const second = networkOf("10.77.1.0/24", "eth0");
const networks = [ownNetwork, second, rack2, rack3, rack5] as const;

const relay2 = { giaddr: ip("10.77.2.254") };
const relay5 = { giaddr: ip("10.77.5.254") };

/** Option 82 with its sub-options. */
function relayed(...suboptions: readonly (readonly [number, readonly number[]])[]) {
  const entries = suboptions.map(([code, bytes]) => [code, Uint8Array.from(bytes)] as const);
  return optionOf(option.relayAgent, new Map(entries));
}

test("the relay's address says which network: its pool, mask, router, domain, lease and name servers", () => {
  const scene = new Scene({ networks });
  const offer = scene.send(ask("DISCOVER", { ...anna, ...relay2 }));
  assert.equal(brief(offer), "OFFER 10.77.2.200");
  const [event] = offer.events;
  assert.equal(event?.kind === "offered" ? event.network : undefined, "10.77.2.0/24");
  assert.equal(read(offer.wire, option.subnetMask), "255.255.255.0");
  assert.equal(read(offer.wire, option.broadcast), "10.77.2.255");
  assert.deepEqual(read(offer.wire, option.routers), ["10.77.2.254"]);
  assert.equal(read(offer.wire, option.domain), "rack2.test");
  assert.equal(read(offer.wire, option.leaseSeconds), 600);
  assert.equal(read(offer.wire, option.dns), undefined);
  assert.equal(read(offer.wire, option.serverId), "10.77.0.1", "the head is reached at its own address");
  const ack = scene.send(select({ ...anna, ...relay2 }, "10.77.2.200"));
  assert.ok(ack.kind === "reply");
  assert.equal(ack.leases[0]?.expiresAtMs, 600_000);
  assert.deepEqual(ack.to, { address: "10.77.2.254", port: "server" });
});

test("link selection in option 82 comes before option 118, and both before the relay's address", () => {
  const scene = new Scene({ networks });
  const link = relayed([5, [10, 77, 5, 0]], [1, [7]]);
  const subnet = optionOf(option.subnetSelection, ip("10.77.3.0"));
  scene.nodes.push(nodeOf("n5", "10.77.5.5", [carl.mac]));
  const offer = scene.send(ask("DISCOVER", { ...carl, ...relay2, options: [subnet, link] }));
  assert.equal(brief(offer), "OFFER 10.77.5.5");
  assert.deepEqual(offer.wire?.options.get(82), Uint8Array.of(5, 4, 10, 77, 5, 0, 1, 1, 7), "echoed");
  assert.equal(read(offer.wire, option.subnetSelection), "10.77.3.0", "RFC 3011: comes back as sent");
  const selected = scene.send(ask("DISCOVER", { ...anna, ...relay2, options: [subnet] }));
  assert.equal(brief(selected), "OFFER 10.77.3.200");
  const direct = scene.send(ask("DISCOVER", { ...bert, options: [subnet] }));
  assert.equal(brief(direct), "OFFER 10.77.3.201");
});

test("a relay whose option 82 is nonsense is answered all the same, by its address", () => {
  const scene = new Scene({ networks });
  const nonsense: readonly [number, Uint8Array] = [82, Uint8Array.of(5, 200, 1)];
  const offer = scene.send(ask("DISCOVER", { ...anna, ...relay2, options: [nonsense] }));
  assert.equal(brief(offer), "OFFER 10.77.2.200");
  assert.deepEqual(offer.wire?.options.get(82), Uint8Array.of(5, 200, 1));
});

test("silence where the network is not ours: by relay, by link selection, by option 118, by the client's address", () => {
  const scene = new Scene({ networks });
  for (const request of [
    ask("DISCOVER", { ...anna, giaddr: ip("10.88.0.1") }),
    initReboot({ ...anna, giaddr: ip("10.88.0.1") }, "10.77.0.5"),
  ]) {
    assert.equal(brief(scene.send(request)), "ignore foreign-relay");
  }
  for (const request of [
    ask("DISCOVER", { ...anna, ...relay2, options: [relayed([5, [10, 88, 0, 0]])] }),
    ask("DISCOVER", { ...anna, options: [optionOf(option.subnetSelection, ip("10.88.0.0"))] }),
    renew(anna, "10.88.0.7"),
    ask("INFORM", { ...anna, ciaddr: ip("10.88.0.7") }),
    ask("RELEASE", { ...anna, ciaddr: ip("10.88.0.7") }),
  ]) {
    assert.equal(brief(scene.send(request)), "ignore foreign-network");
  }
});

test("a client that renews past its relay is in the network of its address", () => {
  const scene = new Scene({ networks });
  assert.equal(scene.join({ ...anna, ...relay2 }), "10.77.2.200");
  const ack = scene.at(300).send(renew(anna, "10.77.2.200"));
  assert.equal(brief(ack), "ACK 10.77.2.200");
  assert.deepEqual(read(ack.wire, option.routers), ["10.77.2.254"]);
  assert.deepEqual(ack.kind === "reply" ? ack.to : undefined, { address: "10.77.2.200", port: "client" });
  const inform = scene.send(ask("INFORM", { ...bert, ciaddr: ip("10.77.3.9") }));
  assert.deepEqual(read(inform.wire, option.routers), ["10.77.3.254"]);
  const give = ask("RELEASE", { ...anna, ciaddr: ip("10.77.2.200") });
  assert.equal(brief(scene.at(301).send(give)), "note");
});

test("a shared wire: the pool of the relay's network first, then the other's, and back again", () => {
  const scene = new Scene({ networks });
  const at3 = { giaddr: ip("10.77.3.254") };
  const given = [anna, bert, carl, dora].map((client) => scene.join({ ...client, ...at3 }));
  assert.deepEqual(given, ["10.77.3.200", "10.77.3.201", "10.77.2.200", "10.77.2.201"]);
  const out = scene.send(ask("DISCOVER", { ...emil, ...at3 }));
  assert.equal(brief(out), "ignore pool-exhausted");
  assert.match(
    JSON.stringify(out.events),
    /no free address in the pool of 10\.77\.3\.0\/24 and 10\.77\.2\.0\/24/,
  );
  assert.equal(brief(scene.at(1).send(renew(carl, "10.77.2.200"))), "ACK 10.77.2.200");
  const again = scene.at(2).send(ask("DISCOVER", { ...carl, ...at3 }));
  assert.equal(brief(again), "OFFER 10.77.2.200", "what it has is better than what is near");
  assert.equal(read(again.wire, option.leaseSeconds), 600, "as its own network has it");
  assert.equal(brief(scene.at(700).send(ask("DISCOVER", { ...emil, ...at3 }))), "OFFER 10.77.2.201");
});

test("the head's own wire may have two networks as well", () => {
  const scene = new Scene({ networks });
  const given = [anna, bert, carl, dora].map((client) => scene.join(client));
  assert.deepEqual(given, ["10.77.0.200", "10.77.0.201", "10.77.0.202", "10.77.1.200"]);
});

test("where there is no pool only nodes are given addresses, and the reason is told", () => {
  const scene = new Scene({ networks });
  scene.nodes.push(nodeOf("n5", "10.77.5.5", [anna.mac]));
  assert.equal(scene.join({ ...anna, ...relay5 }), "10.77.5.5");
  const refused = scene.send(ask("DISCOVER", { ...bert, ...relay5 }));
  assert.equal(brief(refused), "ignore pool-exhausted");
  assert.match(JSON.stringify(refused.events), /there is no pool of 10\.77\.5\.0\/24/);
});

test("a node's address may be of any network of its wire, and is not given on another", () => {
  const scene = new Scene({ networks });
  scene.nodes.push(nodeOf("n001", "10.77.3.5", [anna.mac]));
  assert.equal(scene.join({ ...anna, ...relay2 }), "10.77.3.5");
  const offer = scene.send(ask("DISCOVER", { ...anna, ...relay2 }));
  assert.deepEqual(read(offer.wire, option.routers), ["10.77.3.254"]);
  const elsewhere = scene.send(ask("DISCOVER", anna));
  assert.equal(brief(elsewhere), "ignore foreign-network");
  assert.match(
    JSON.stringify(elsewhere.events),
    /n001 has the address 10\.77\.3\.5, but asks from 10\.77\.0\.0\/24 and 10\.77\.1\.0\/24/,
  );
});

test("a port that is on two wires has an address on each, and keeps both", () => {
  const scene = new Scene({ networks });
  assert.equal(scene.at(0).join(anna), "10.77.0.200");
  assert.equal(scene.at(1).join({ ...anna, ...relay2 }), "10.77.2.200");
  assert.equal(scene.view.leases.get(ip("10.77.0.200"))?.state, "bound");
  assert.equal(brief(scene.at(2).send(renew(anna, "10.77.0.200"))), "ACK 10.77.0.200");
  assert.equal(brief(scene.at(3).send(renew(anna, "10.77.2.200"))), "ACK 10.77.2.200");
});

test("a machine that has moved is refused its old address and finds one of its new wire", () => {
  const scene = new Scene({ networks });
  assert.equal(scene.join({ ...anna, ...relay2 }), "10.77.2.200");
  const nak = scene.send(initReboot({ ...anna, ...relay5 }, "10.77.2.200"));
  assert.equal(brief(nak), "NAK");
  assert.equal(read(nak.wire, option.message), "10.77.2.200 is not in this network");
  assert.deepEqual(nak.kind === "reply" ? nak.to : undefined, { address: "10.77.5.254", port: "server" });
  assert.equal(brief(scene.send(initReboot(anna, "10.77.2.200"))), "NAK");
  assert.equal(scene.join(anna), "10.77.0.200");
});

test("a server that is not authoritative refuses what it knows and is silent about the rest", () => {
  const scene = new Scene({ networks, authoritative: false });
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac]));
  assert.equal(scene.join(bert), "10.77.0.200");
  assert.equal(brief(scene.send(initReboot(carl, "192.168.0.5"))), "ignore not-ours", "another's, maybe");
  assert.equal(
    brief(scene.send(initReboot(carl, "10.77.0.77"))),
    "ignore not-ours",
    "ours to route, not to give",
  );
  assert.equal(brief(scene.send(renew(carl, "10.77.0.77"))), "ignore not-ours");
  assert.equal(brief(scene.send(initReboot(carl, "10.77.0.200"))), "NAK", "bert's");
  assert.equal(brief(scene.send(initReboot(carl, "10.77.0.11"))), "NAK", "reserved");
  assert.equal(
    brief(scene.send(initReboot(carl, "10.77.2.200"))),
    "NAK",
    "of a pool of ours, on another wire",
  );
  assert.equal(brief(scene.send(initReboot(anna, "192.168.0.5"))), "NAK", "a node");
  assert.equal(brief(scene.send(initReboot(bert, "192.168.0.5"))), "NAK", "it has a lease of ours");
  assert.equal(brief(scene.send(select(carl, "10.77.0.77"))), "NAK", "it chose us");
});

/** Random histories on all wires at once. */
test("no two machines ever hold one address, and every address fits the wire and the inventory", () => {
  const places = [{}, relay2, { giaddr: ip("10.77.3.254") }, relay5];
  const step = fc.record({
    advanceSeconds: fc.nat(400),
    who: fc.nat(7),
    place: fc.nat(places.length - 1),
    what: fc.constantFrom("join", "join", "select", "renew", "reboot", "release", "decline"),
    last: fc.constantFrom(5, 11, 200, 201, 202),
    net: fc.constantFrom(0, 1, 2, 3, 5),
  });
  const reserved = new Map([
    ["52:54:00:00:00:00", "10.77.0.11"],
    ["52:54:00:00:00:01", "10.77.3.200"],
    ["52:54:00:00:00:02", "10.77.5.5"],
  ]);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const scene = new Scene({ networks });
      for (const [mac, address] of reserved) scene.nodes.push(nodeOf(`n${mac.at(-1)}`, address, [mac]));
      const holders = new Map<Ipv4, { mac: string; untilMs: number }>();
      let seconds = 0;
      for (const { advanceSeconds, who, place, what, last, net } of steps) {
        seconds += advanceSeconds;
        scene.at(seconds);
        const client = { mac: `52:54:00:00:00:0${who}`, ...places[place] };
        const address = `10.77.${net}.${last}`;
        const packet = {
          join: () => ask("DISCOVER", client),
          select: () => select(client, address),
          renew: () => renew({ mac: client.mac }, address),
          reboot: () => initReboot(client, address),
          release: () => ask("RELEASE", { mac: client.mac, ciaddr: ip(address) }),
          decline: () => ask("DECLINE", { ...client, options: [optionOf(option.requestedIp, ip(address))] }),
        }[what]();
        let outcome = scene.send(packet);
        if (what === "join" && outcome.wire !== undefined)
          outcome = scene.send(select(client, outcome.wire.yiaddr));
        if (outcome.kind === "note") for (const lease of outcome.leases) holders.delete(lease.ip);
        if (outcome.kind !== "reply" || outcome.type !== "ACK" || outcome.wire === undefined) continue;
        const given = outcome.wire.yiaddr;
        const holder = holders.get(given);
        assert.ok(
          holder === undefined || holder.untilMs <= scene.nowMs || holder.mac === client.mac,
          `${given} is ${holder?.mac}'s`,
        );
        checkPlace(given, packet.giaddr, client.mac, reserved);
        for (const lease of outcome.leases) {
          if (lease.state === "released") holders.delete(lease.ip);
          else holders.set(lease.ip, { mac: lease.mac, untilMs: lease.expiresAtMs });
        }
      }
    }),
    { numRuns: 400 },
  );
});

function checkPlace(given: Ipv4, giaddr: Ipv4, mac: string, reserved: ReadonlyMap<string, string>): void {
  const network = networks.find(({ subnet }) => subnetContains(subnet, given));
  assert.ok(network, `${given} is in no network`);
  if (giaddr !== "0.0.0.0") {
    const heard = networks.find(({ subnet }) => subnetContains(subnet, giaddr));
    assert.equal(network.wire, heard?.wire, `${given} of ${formatSubnet(network.subnet)} behind ${giaddr}`);
  }
  const own = reserved.get(mac);
  if (own !== undefined) assert.equal(given, own);
  else {
    assert.ok(![...reserved.values()].includes(given), `${given} is reserved`);
    assert.ok(poolOf(given, network), `${given} is of no pool`);
  }
}
