import assert from "node:assert/strict";
import { test } from "node:test";
import { linkLayerDuid } from "../../../server/dhcp6/option-values.ts";
import { type Message6, type Option6, optionCodes } from "../../../server/dhcp6/packet.ts";
import { type Mac, macToBytes } from "../../../server/lib/mac.ts";
import {
  type ClientId,
  parseClientId,
  parseRelayPort,
  type Uuid,
} from "../../../server/model/machine-identity.ts";
import type { ClusterNode } from "../../../server/model/node.ts";
import { nodeOf } from "../../support/dhcp-scene.ts";
import { association, bootUrl, brief6, firmware, ipxe, message6, Scene6 } from "./scene.ts";

const uuid = "4c4c4544-0042-3510-8054-b7c04f4e3731" as Uuid;
const otherUuid = "4c4c4544-0042-3510-8054-b7c04f4e3732" as Uuid;
/** A stable private address: it tells no MAC. */
const hidden = "fe80::1c3f:9a77:5b02:e1d4";
const portMac = "52:54:00:77:0a:01" as Mac;
const shown = "fe80::5054:ff:fe77:a01";

function node(changes: Partial<ClusterNode>, id = 1): ClusterNode {
  return { ...nodeOf(`n${id}`, `10.77.0.1${id}`, []), id, ...changes };
}

/** A DUID of type 4 (RFC 6355). */
function uuidDuid(text: string): Uint8Array {
  return Buffer.from(`0004${text.replaceAll("-", "")}`, "hex");
}

/** As EDK2 writes it: SMBIOS's own bytes. */
const smbiosOrder = "44454c4c-4200-1035-8054-b7c04f4e3731";

function solicit(duid: Uint8Array, ...options: readonly Option6[]): Message6 {
  return message6("SOLICIT", [{ code: optionCodes.clientId, value: duid }, association(1), ...options]);
}

/** DUID-EN of systemd, which tells nothing. */
const opaque = Uint8Array.of(0, 2, 0, 0, 0xab, 0x11, 1, 2, 3, 4, 5, 6, 7, 8);

function option(code: number, value: string | Uint8Array): Option6 {
  return { code, value: typeof value === "string" ? Buffer.from(value, "latin1") : value };
}

const linkLayer = (mac: Mac): Option6 =>
  option(optionCodes.clientLinkLayer, Uint8Array.of(0, 1, ...macToBytes(mac)));
const interfaceId = (name: string): Option6 => option(optionCodes.interfaceId, name);
/** Option 37: an enterprise number, and the switch's own name. */
const remoteId = (name: string): Option6 => option(optionCodes.remoteId, `\0\0\0\u0009${name}`);

function nodeIdOf(decision: ReturnType<Scene6["send"]>): number | undefined {
  return decision.events[0]?.nodeId;
}

test("by its UUID, in the byte order of EDK2 and of iPXE, and its boot says whose it is", () => {
  const scene = new Scene6();
  scene.nodes.push(node({ uuid }));
  const edk2 = scene.send(solicit(uuidDuid(smbiosOrder), ...firmware("PXE")), shown);
  assert.equal(bootUrl(edk2), "tftp://[fd77::1]/boot/52-54-00-77-0a-01~n1/loader/snponly.efi");
  const [event] = edk2.events;
  assert.ok(event?.kind === "offered");
  assert.deepEqual([event.nodeId, event.uuid, event.mac], [1, uuid, portMac]);
  const loader = scene.send(solicit(uuidDuid(uuid), ...firmware("PXE"), ipxe), shown);
  assert.equal(bootUrl(loader), "http://[fd77::1]:8080/boot/52-54-00-77-0a-01~n1/script.ipxe");
});

test("a machine that shows no port boots as the first of its node's, and one whose node has none is given an address", () => {
  const scene = new Scene6();
  scene.nodes.push(node({ uuid, macs: [portMac] }));
  const decision = scene.send(solicit(uuidDuid(uuid), ...firmware("PXE"), ipxe), hidden);
  assert.equal(bootUrl(decision), "http://[fd77::1]:8080/boot/52-54-00-77-0a-01/script.ipxe");
  assert.deepEqual(
    decision.events.map(({ mac, nodeId }) => [mac, nodeId]),
    [[portMac, 1]],
  );
  scene.nodes[0] = node({ uuid });
  const portless = scene.send(solicit(uuidDuid(uuid), ...firmware("PXE"), ipxe), hidden);
  assert.match(brief6(portless), /^ADVERTISE fd77::/);
  assert.deepEqual([bootUrl(portless), portless.events], [undefined, []]);
});

test("by its DUID as a client identifier, alone or as DHCP has it with the association before it", () => {
  const duid = Buffer.from(opaque).toString("hex");
  for (const id of [duid, `ff00000001${duid}`]) {
    const scene = new Scene6();
    scene.nodes.push(node({ clientIds: [parseClientId(id) ?? ("" as ClientId)] }));
    assert.equal(nodeIdOf(scene.send(solicit(opaque), shown)), 1, id);
  }
});

test("by the MAC in its DUID, in its address, and by what the relay saw; the port that asks is the nearest witness", () => {
  const machineMac = "52:54:00:77:0a:99" as Mac;
  const scene = new Scene6();
  scene.nodes.push(node({ macs: [machineMac] }));
  const byDuid = scene.send(solicit(linkLayerDuid(macToBytes(machineMac))), shown);
  assert.deepEqual([nodeIdOf(byDuid), byDuid.events[0]?.mac], [1, portMac]);
  const relayed = scene.send(solicit(opaque), hidden, [
    { link: "fd77::fe", options: [linkLayer(machineMac)] },
  ]);
  assert.deepEqual([nodeIdOf(relayed), relayed.events[0]?.mac], [1, machineMac]);
});

test("by the switch port: a relay's interface id, with its remote id or the address of its link", () => {
  const scene = new Scene6();
  scene.nodes.push(
    node({ relayPort: parseRelayPort("sw1/ge-0/0/7") ?? ("" as never) }),
    node({ relayPort: parseRelayPort("fd77::fe/eth7") ?? ("" as never) }, 2),
  );
  const through = (...relays: { link: string; options: readonly Option6[] }[]): number | undefined =>
    nodeIdOf(scene.send(solicit(opaque), shown, relays));
  assert.equal(through({ link: "fd77::fe", options: [interfaceId("ge-0/0/7"), remoteId("sw1")] }), 1);
  assert.equal(through({ link: "fd77::fe", options: [interfaceId("eth7")] }), 2);
  // A switch that is a relay without an address of its own (RFC 6221), before a router.
  const router = { link: "fd77::fe", options: [interfaceId("vlan3")] };
  assert.equal(through({ link: "::", options: [interfaceId("ge-0/0/7"), remoteId("sw1")] }, router), 1);
  assert.equal(through({ link: "::", options: [] }, { link: "fd77::fe", options: [interfaceId("eth7")] }), 2);
  // The address beside a name is that of the relay that gave it, not of one nearer to the client.
  assert.equal(
    through({ link: "fd77::ab", options: [] }, { link: "fd77::fe", options: [interfaceId("eth7")] }),
    2,
  );
  assert.equal(through({ link: "fd77::fe", options: [] }), undefined);
  assert.equal(through({ link: "fd77::fe", options: [interfaceId("")] }), undefined);
});

test("the link is the nearest relay's that has one; a foreign one is not answered, whatever is nearer", () => {
  const scene = new Scene6();
  const ours = { link: "fd77::fe", options: [] };
  const none = { link: "::", options: [] };
  const foreign = { link: "2001:db8::1", options: [] };
  assert.match(brief6(scene.send(solicit(opaque), shown, [none, ours])), /^ADVERTISE/);
  assert.match(brief6(scene.send(solicit(opaque), shown, [ours, foreign])), /^ADVERTISE/);
  assert.equal(brief6(scene.send(solicit(opaque), shown, [none, foreign])), "ignore foreign-relay");
});

test("what points to two nodes is nobody: no answer, and both are told which says what", () => {
  const scene = new Scene6();
  scene.nodes.push(node({ macs: [portMac] }), node({ uuid }, 2));
  const decision = scene.send(solicit(uuidDuid(uuid)), shown);
  assert.equal(brief6(decision), "ignore conflict");
  const message = `${portMac} is not guessed to be any of them: MAC ${portMac} is n1's, UUID ${uuid} is n2's`;
  assert.deepEqual(
    decision.events.map((event) => [event.nodeId, event.kind === "refused" && event.message]),
    [
      [1, message],
      [2, message],
    ],
  );
  const rebind = message6("REBIND", [{ code: optionCodes.clientId, value: uuidDuid(uuid) }, association(1)]);
  assert.deepEqual(
    [brief6(scene.send(rebind, shown)), scene.send(rebind, shown).events],
    ["ignore conflict", []],
  );
});

test("the port of one machine in the DUID of another's: neither is guessed", () => {
  const machineMac = "52:54:00:77:0a:99" as Mac;
  const scene = new Scene6();
  scene.nodes.push(node({ macs: [portMac] }), node({ macs: [machineMac] }, 2));
  const decision = scene.send(solicit(linkLayerDuid(macToBytes(machineMac))), shown);
  assert.equal(brief6(decision), "ignore conflict");
});

test("one MAC with the UUIDs of two live machines is nobody, by IPv6 as by IPv4", () => {
  const scene = new Scene6();
  scene.nodes.push(node({ macs: [portMac] }));
  assert.match(brief6(scene.send(solicit(uuidDuid(uuid)), shown)), /^ADVERTISE/);
  assert.match(brief6(scene.send(solicit(uuidDuid(smbiosOrder), ...firmware("PXE")), shown)), /^ADVERTISE/);
  const second = scene.send(solicit(uuidDuid(otherUuid)), shown);
  assert.equal(brief6(second), "ignore conflict");
  assert.match(JSON.stringify(second.events), /two machines have the MAC 52:54:00:77:0a:01/);
  scene.nowMs = 700_000;
  assert.match(brief6(scene.send(solicit(uuidDuid(otherUuid)), shown)), /^ADVERTISE/);
});

test("unknown machines that are to be ignored are known by their UUID all the same", () => {
  const scene = new Scene6({ unknownMachines: "ignore" });
  scene.nodes.push(node({ uuid }));
  assert.match(brief6(scene.send(solicit(uuidDuid(uuid)), shown)), /^ADVERTISE/);
  assert.equal(
    brief6(scene.send(solicit(uuidDuid(otherUuid)), "fe80::5054:ff:fe77:a02")),
    "ignore unknown-machine",
  );
});
