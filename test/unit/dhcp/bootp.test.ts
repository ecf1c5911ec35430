import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "../../../server/dhcp/encode.ts";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
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
