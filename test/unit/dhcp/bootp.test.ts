import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encode } from "../../../server/dhcp/encode.ts";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import type { DhcpSite } from "../../../server/dhcp/site.ts";
import type { DhcpPacket } from "../../../server/dhcp/packet.ts";
import { type Ask, Scene, ask, brief, head, ip, nodeOf, ownNetwork, read } from "../../support/dhcp-scene.ts";
import { ProxyScene } from "../../support/proxy-scene.ts";

const anna: Ask = { mac: "52:54:00:00:00:0a" };

/** RFC 951 as a client of 1985 sends it: 300 bytes, and nothing in the vendor's field. */
function bareRequest(given: Ask): Uint8Array {
  const { bytes } = encode(bootp(given));
  return Buffer.from(bytes).fill(0, 236);
}

/** With RFC 1497's cookie and whatever options, but no message type. */
function bootp(given: Ask): DhcpPacket {
  const packet = ask("DISCOVER", given);
  const options = new Map(packet.options);
  options.delete(option.messageType.code);
  return { ...packet, options };
}

function sceneWithNode(site = {}): Scene {
  const scene = new Scene(site);
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac]));
  return scene;
}

for (const [name, request] of [
  ["without a cookie", bareRequest(anna)],
  ["that ends before its vendor field", bareRequest(anna).subarray(0, 236)],
  ["with RFC 1497's", bootp(anna)],
] as const) {
  test(`a node ${name}: its address, for ever, and nothing that only DHCP has`, () => {
    const scene = sceneWithNode();
    const outcome = scene.send(request);
    assert.equal(brief(outcome), "BOOTP 10.77.0.11");
    const { wire } = outcome;
    assert.ok(wire);
    assert.deepEqual([wire.op, wire.xid, wire.siaddr], [2, 0x12345678, head]);
    assert.deepEqual(new Set(wire.options.keys()), new Set([1, 3, 6, 12, 15]));
    assert.equal(read(wire, option.subnetMask), "255.255.255.0");
    assert.equal(read(wire, option.hostname), "n001");
    assert.deepEqual(outcome.kind === "reply" && outcome.to, { address: "255.255.255.255", port: "client" });
    assert.deepEqual(scene.view.leases.all(), [], "there is no lease that could run out");
  });
}

test("the reply is of 300 bytes, whatever there is to say: what does not fit is left out", () => {
  const network = { ...ownNetwork, dns: [head, head, head], domain: `${"a".repeat(40)}.rack.test` };
  const outcome = sceneWithNode({ networks: [network] }).send(bareRequest(anna));
  assert.ok(outcome.kind === "reply");
  assert.equal(encode(outcome.packet).bytes.length, 300);
  assert.deepEqual(new Set(outcome.packet.options.keys()), new Set([1, 3, 6, 12]));
});

/** As a client with more room asks: a vendor field of 312 bytes. */
function roomyRequest(given: Ask): Uint8Array {
  return Buffer.concat([bareRequest(given), Buffer.alloc(236 + 312 - 300)]);
}

function set(...options: (readonly [number, Uint8Array])[]): Partial<DhcpSite> {
  return { options: options.map(([code, value]) => ({ code, value })) };
}

test("what is set is in it, but for what only DHCP has; 66 and 67 are fields of the header", () => {
  const site = set(
    optionOf(option.rootPath, "/srv/node"),
    optionOf(option.ntpServers, [head]),
    optionOf(option.leaseSeconds, 60),
    optionOf(option.vendorClass, "X"),
    optionOf(option.bootFile, "vmlinuz.old"),
    optionOf(option.tftpServer, "10.77.0.9"),
    [224, Buffer.from("ours")],
  );
  for (const request of [roomyRequest(anna), bareRequest(anna)]) {
    const { wire } = sceneWithNode(site).send(request);
    assert.ok(wire);
    assert.deepEqual([wire.file, wire.siaddr], ["vmlinuz.old", "10.77.0.9"]);
    const common = [1, 3, 17, 12, 6, 15];
    assert.deepEqual(new Set(wire.options.keys()), new Set([...common, 42, 224]));
    assert.equal(read(wire, option.rootPath), "/srv/node");
  }
});

test("in the room of 1985 the most urgent goes first; what is set and finds no room is told", () => {
  const long = "/srv/nodes/n001/root"; // 22 bytes of 59; mask, router and name take 18, name server and domain 17
  const site = set(optionOf(option.rootPath, long), optionOf(option.ntpServers, [head]), [
    224,
    Buffer.alloc(20),
  ]);
  const outcome = sceneWithNode(site).send(bareRequest(anna));
  assert.ok(outcome.kind === "reply");
  assert.deepEqual([...outcome.packet.options.keys()], [1, 3, 17, 12, 6, 15]);
  assert.equal(encode(outcome.packet).bytes.length, 300);
  assert.deepEqual(
    outcome.events.map((event) => (event.kind === "refused" ? event.message : event.kind)),
    ["offered", "its BOOTP request has no room for ntp-servers, option 224"],
  );
  const roomy = sceneWithNode(site).send(roomyRequest(anna));
  assert.ok(roomy.kind === "reply");
  assert.deepEqual([...roomy.packet.options.keys()], [1, 3, 17, 12, 6, 15, 42, 224]);
  assert.deepEqual(
    roomy.events.map(({ kind }) => kind),
    ["offered"],
  );
});

test("what would have to go in pieces is left out, whatever the room: no client of BOOTP joins them", () => {
  const outcome = sceneWithNode(set([224, Buffer.alloc(256)])).send(roomyRequest(anna));
  assert.ok(outcome.kind === "reply");
  assert.deepEqual([...outcome.packet.options.keys()], [1, 3, 12, 6, 15]);
});

test("never longer than the vendor field that the client shows, nor than 312 bytes; a relay's own option is no room", () => {
  const value = fc.tuple(fc.integer({ min: 128, max: 254 }), fc.uint8Array({ maxLength: 300 }));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 20 }), fc.nat(1200), fc.boolean(), (options, more, relayed) => {
      const agent = optionOf(option.relayAgent, new Map([[1, Uint8Array.of(7)]]));
      const given = relayed ? { ...anna, giaddr: ip("10.77.0.9"), options: [agent] } : anna;
      const own = encode(bootp(given)).bytes;
      const outcome = sceneWithNode(set(...options)).send(Buffer.concat([own, Buffer.alloc(more)]));
      assert.ok(outcome.kind === "reply");
      const { bytes, dropped } = encode(outcome.packet, 548 + 5);
      assert.deepEqual(dropped, []);
      const shown = Math.min(Math.max(300 + more - 236 - (relayed ? 5 : 0), 64), 312);
      assert.ok(
        bytes.length <= Math.max(300, 236 + shown + (relayed ? 5 : 0)),
        `${bytes.length} of ${shown}`,
      );
      assert.equal(outcome.packet.options.has(1), true, "the netmask has its place whatever is set");
    }),
  );
});

test("strangers are given nothing, and that is told", () => {
  const outcome = new Scene().send(bareRequest(anna));
  assert.equal(brief(outcome), "ignore unknown-machine");
  assert.deepEqual(
    outcome.events.map((event) => event.kind === "refused" && event.message),
    ["asks by BOOTP, which only nodes may"],
  );
});

test("a client that names its server, has its address or is behind a relay", () => {
  const scene = sceneWithNode();
  assert.equal(brief(scene.send(bootp({ ...anna, sname: "elsewhere" }))), "ignore other-server");
  assert.equal(brief(scene.send(bootp({ ...anna, sname: head }))), "BOOTP 10.77.0.11");
  const known = scene.send(bootp({ ...anna, ciaddr: ip("10.77.0.11") }));
  assert.deepEqual(known.kind === "reply" && known.to, { address: "10.77.0.11", port: "client" });
  const relayAgent = optionOf(option.relayAgent, new Map([[1, Uint8Array.of(7)]]));
  const relayed = scene.send(bootp({ ...anna, giaddr: ip("10.77.0.9"), options: [relayAgent] }));
  assert.deepEqual(relayed.kind === "reply" && relayed.to, { address: "10.77.0.9", port: "server" });
  assert.deepEqual(read(relayed.wire, option.relayAgent), new Map([[1, Uint8Array.of(7)]]));
  assert.equal(brief(scene.send(bootp({ ...anna, giaddr: ip("10.99.0.9") }))), "ignore foreign-relay");
});

test("beside another server BOOTP is not ours to answer", () => {
  const scene = new ProxyScene();
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [anna.mac]));
  assert.equal(scene.send(bareRequest(anna)).kind, "ignore");
  assert.equal(scene.ask(bareRequest(anna)).kind, "ignore");
});

test("a dry pool: silence, but a client that may help itself is told not to (option 116)", () => {
  const scene = new Scene({ networks: [{ ...ownNetwork, pools: [] }] });
  assert.equal(brief(scene.send(ask("DISCOVER", anna))), "ignore pool-exhausted");
  const outcome = scene.send(ask("DISCOVER", { ...anna, options: [optionOf(option.autoConfigure, 1)] }));
  assert.equal(brief(outcome), "OFFER 0.0.0.0");
  assert.equal(read(outcome.wire, option.autoConfigure), 0);
  assert.equal(outcome.wire?.options.has(51), false);
  assert.equal(outcome.events[0]?.kind, "refused");
  const wet = new Scene().send(ask("DISCOVER", { ...anna, options: [optionOf(option.autoConfigure, 1)] }));
  assert.equal(brief(wet), "OFFER 10.77.0.200");
});
