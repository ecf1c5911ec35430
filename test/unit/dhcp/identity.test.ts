import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import {
  parseClientId,
  parseRelayPort,
  parseUuid,
  type Uuid,
} from "../../../server/model/machine-identity.ts";
import type { ClusterNode } from "../../../server/model/node.ts";
import {
  type Ask,
  Scene,
  ask,
  brief,
  ip,
  networkOf,
  nodeOf,
  ownNetwork,
  read,
  renew,
  select,
} from "../../support/dhcp-scene.ts";
import { ProxyScene } from "../../support/proxy-scene.ts";

const stranger: Ask = { mac: "52:54:00:00:00:99" };
const uuidOne = "4c4c4544-0042-3510-8054-b7c04f4e3732" as Uuid;
const uuidTwo = "4c4c4544-0042-3510-8054-b7c04f4e3733" as Uuid;

/** Option 97 as firmware sends it: SMBIOS has the first three fields little-endian. */
function uuidOption(uuid: string): readonly [number, Uint8Array] {
  const [first = "", second = "", third = "", ...rest] = uuid.split("-");
  const swap = (field: string): string => (field.match(/../g) ?? []).toReversed().join("");
  return [97, Buffer.from(`00${swap(first)}${swap(second)}${swap(third)}${rest.join("")}`, "hex")];
}

const firmware = [
  optionOf(option.vendorClass, "PXEClient:Arch:00007:UNDI:003000"),
  optionOf(option.architectures, [7]),
];

function agent(circuit: string, remote?: string): readonly [number, Uint8Array] {
  const entries: [number, Uint8Array][] = [[1, Buffer.from(circuit)]];
  if (remote !== undefined) entries.push([2, Buffer.from(remote)]);
  return optionOf(option.relayAgent, new Map(entries));
}

function known(changes: Partial<ClusterNode>, id = 1): ClusterNode {
  return { ...nodeOf(`n${id}`, `10.77.0.1${id}`, []), id, ...changes };
}

const relayPort = parseRelayPort("sw1/ge-0/0/7") ?? ("" as never);

test("a machine is its node by UUID, by client identifier, by switch port, whatever its MAC", () => {
  const clientId = parseClientId("text:one") ?? ("" as never);
  const duid = parseClientId("0003000152540000aa01") ?? ("" as never);
  const networkOrder: readonly [number, Uint8Array] = [
    97,
    Buffer.from(`00${uuidOne.replaceAll("-", "")}`, "hex"),
  ];
  for (const [what, node, request] of [
    ["UUID", known({ uuid: uuidOne }), { ...stranger, options: [uuidOption(uuidOne)] }],
    ["client identifier", known({ clientIds: [clientId] }), { ...stranger, clientId: "6f6e65" }],
    ["DUID", known({ clientIds: [duid] }), { ...stranger, clientId: "ff000000010003000152540000aa01" }],
    ["UUID in SMBIOS's order", known({ uuid: uuidOne }), { ...stranger, options: [networkOrder] }],
    [
      "switch port",
      known({ relayPort }),
      { ...stranger, giaddr: ip("10.77.0.254"), options: [agent("ge-0/0/7", "sw1")] },
    ],
  ] as const) {
    const scene = new Scene();
    scene.nodes.push(node);
    assert.equal(scene.join(request), "10.77.0.11", what);
    assert.equal(read(scene.send(ask("DISCOVER", request)).wire, option.hostname), "n1", what);
  }
});

test("a relay that names no switch stands for it by its own address", () => {
  const scene = new Scene();
  scene.nodes.push(known({ relayPort: parseRelayPort("10.77.0.254/eth7") ?? ("" as never) }));
  const request = { ...stranger, giaddr: ip("10.77.0.254"), options: [agent("eth7")] };
  assert.equal(scene.join(request), "10.77.0.11");
  assert.equal(
    scene.join({
      ...stranger,
      mac: "52:54:00:00:00:98",
      giaddr: ip("10.77.0.253"),
      options: [agent("eth7")],
    }),
    "10.77.0.200",
  );
});

test("the boot of a machine that is not known by its port says in every path whose it is", () => {
  const scene = new Scene();
  scene.nodes.push(known({ uuid: uuidOne }));
  const options = [...firmware, uuidOption(uuidOne)];
  const offer = scene.send(ask("DISCOVER", { ...stranger, options }));
  assert.equal(offer.wire?.file, "boot/52-54-00-00-00-99~n1/loader/snponly.efi");
  const [event] = offer.events;
  assert.ok(event?.kind === "offered");
  assert.deepEqual([event.nodeId, event.uuid], [1, uuidOne]);
  scene.nodes[0] = known({ uuid: uuidOne, macs: [stranger.mac as never] });
  const own = scene.send(ask("DISCOVER", { ...stranger, options }));
  assert.equal(own.wire?.file, "boot/52-54-00-00-00-99/loader/snponly.efi");
});

test("the system that it boots sends no UUID, and is the node all the same: its lease remembers", () => {
  const scene = new Scene();
  scene.nodes.push(known({ uuid: uuidOne }));
  assert.equal(brief(scene.send(ask("DISCOVER", stranger))), "OFFER 10.77.0.200", "before it said who it is");
  scene.at(20).join({ ...stranger, options: [uuidOption(uuidOne)] });
  assert.equal(scene.at(60).join(stranger), "10.77.0.11");
  assert.equal(brief(scene.at(1800).send(renew(stranger, "10.77.0.11"))), "ACK 10.77.0.11");
  assert.match(
    brief(scene.at(9000).send(ask("DISCOVER", stranger))),
    /OFFER .*\.20\d$/,
    "its lease has ended",
  );
  const other = { ...stranger, options: [uuidOption(uuidTwo)] };
  scene.at(9001).join({ ...stranger, options: [uuidOption(uuidOne)] });
  assert.match(
    brief(scene.at(12_000).send(ask("DISCOVER", other))),
    /OFFER .*\.20\d$/,
    "another machine by now",
  );
});

test("a lease remembers after a restart of the head, too", () => {
  const before = new Scene();
  before.nodes.push(known({ uuid: uuidOne }));
  before.join({ ...stranger, options: [uuidOption(uuidOne)] });
  const after = new Scene({}, before.view.leases.all());
  after.nodes.push(known({ uuid: uuidOne }));
  assert.equal(after.at(30).join(stranger), "10.77.0.11");
});

test("identifiers of two nodes: neither is guessed, nothing is answered, both are told which says what", () => {
  const scene = new Scene();
  scene.nodes.push(known({ macs: [stranger.mac as never] }), known({ uuid: uuidTwo, relayPort }, 2));
  const options = [uuidOption(uuidTwo), agent("ge-0/0/7", "sw1")];
  const request = { ...stranger, giaddr: ip("10.77.0.254"), options };
  const outcome = scene.send(ask("DISCOVER", request));
  assert.equal(brief(outcome), "ignore conflict");
  const message =
    `52:54:00:00:00:99 is not guessed to be any of them: MAC 52:54:00:00:00:99 is n1's, UUID ${uuidTwo} is n2's, ` +
    "switch port sw1/ge-0/0/7 is n2's";
  assert.deepEqual(
    outcome.events.map((event) => [event.kind, event.nodeId, event.kind === "refused" ? event.message : ""]),
    [
      ["refused", 1, message],
      ["refused", 2, message],
    ],
  );
  const chosen = scene.send(select(request, "10.77.0.11"));
  assert.equal(brief(chosen), "ignore conflict");
  assert.deepEqual(chosen.events, [], "told once an attempt");
  assert.equal(brief(scene.send(ask("DISCOVER", stranger))), "OFFER 10.77.0.11", "by its MAC alone it is n1");
});

test("one MAC with the UUIDs of two live machines is nobody; with one that was exchanged it is the node", () => {
  const scene = new Scene();
  scene.nodes.push(known({ macs: [stranger.mac as never] }));
  const one = ask("DISCOVER", { ...stranger, options: [uuidOption(uuidOne)] });
  const two = ask("DISCOVER", { ...stranger, options: [uuidOption(uuidTwo)] });
  assert.equal(brief(scene.at(0).send(one)), "OFFER 10.77.0.11");
  const refused = scene.at(60).send(two);
  assert.equal(brief(refused), "ignore conflict");
  assert.match(
    JSON.stringify(refused.events),
    /two machines have the MAC 52:54:00:00:00:99.*neither is guessed to be n1/,
  );
  assert.equal(brief(scene.at(61).send(one)), "ignore conflict", "the first neither");
  assert.equal(brief(scene.at(700).send(two)), "OFFER 10.77.0.11", "the other has been gone for long");
});

test("the same UUID the other way round, as older firmware has it, is the same machine", () => {
  const scene = new Scene();
  scene.nodes.push(known({ macs: [stranger.mac as never] }));
  const raw: readonly [number, Uint8Array] = [97, Buffer.from(`00${uuidOne.replaceAll("-", "")}`, "hex")];
  assert.equal(
    brief(scene.send(ask("DISCOVER", { ...stranger, options: [uuidOption(uuidOne)] }))),
    "OFFER 10.77.0.11",
  );
  assert.equal(brief(scene.at(1).send(ask("DISCOVER", { ...stranger, options: [raw] }))), "OFFER 10.77.0.11");
});

test("a UUID of a board that has none, and options that are malformed, name nobody and harm nobody", () => {
  const scene = new Scene();
  scene.nodes.push(known({ uuid: uuidOne }));
  for (const value of [
    "00" + "0".repeat(32),
    "00" + "f".repeat(32),
    "00",
    "",
    "01" + uuidOne.replaceAll("-", ""),
  ]) {
    const options: [number, Uint8Array][] = [
      [97, Buffer.from(value, "hex")],
      [82, Uint8Array.of(1, 9)],
    ];
    assert.equal(brief(scene.send(ask("DISCOVER", { ...stranger, options }))), "OFFER 10.77.0.200", value);
  }
});

test("beside another DHCP server a machine is known by the same, and a conflict is silence", () => {
  const scene = new ProxyScene();
  scene.nodes.push(known({ uuid: uuidOne }), known({ macs: ["52:54:00:00:00:02" as never] }, 2));
  const options = [...firmware, uuidOption(uuidOne)];
  const offer = scene.send(ask("DISCOVER", { ...stranger, options }));
  assert.equal(offer.wire?.yiaddr, "0.0.0.0");
  assert.match(offer.wire.file, /~n1\/loader/);
  const conflict = scene.send(ask("DISCOVER", { mac: "52:54:00:00:00:02", options }));
  assert.deepEqual([conflict.kind, conflict.wire, conflict.events.length], ["ignore", undefined, 2]);
});

test("whatever a machine says, it is a node that all of it points to, or nobody", () => {
  const rack2 = networkOf("10.77.2.0/24", "eth0");
  const values = ["00000001", "00000002", "00000003"].map((end) => ({
    mac: `52:54:00:00:00:0${end.at(-1)}`,
    uuid: parseUuid(`${end}-0042-3510-8054-b7c04f4e3732`) ?? ("" as never),
    port: `eth${end.at(-1)}`,
    id: `6f6e6${end.at(-1)}`,
  }));
  const pick = fc.option(fc.nat(2), { nil: undefined });
  fc.assert(
    fc.property(fc.nat(2), pick, pick, pick, (macAt, uuidAt, portAt, idAt) => {
      const scene = new Scene({ networks: [ownNetwork, rack2] });
      for (const [index, { mac, uuid, port, id }] of values.entries()) {
        if (index === 2) continue; // nobody's
        scene.nodes.push(
          known(
            {
              macs: [mac as never],
              uuid,
              relayPort: parseRelayPort(`sw/${port}`) ?? ("" as never),
              clientIds: [parseClientId(id) ?? ("" as never)],
            },
            index + 1,
          ),
        );
      }
      const request: Ask = {
        mac: values[macAt]?.mac ?? "",
        giaddr: ip("10.77.0.254"),
        ...(idAt === undefined ? {} : { clientId: values[idAt]?.id ?? "" }),
        options: [
          ...(uuidAt === undefined ? [] : [uuidOption(values[uuidAt]?.uuid ?? "")]),
          ...(portAt === undefined ? [] : [agent(values[portAt]?.port ?? "", "sw")]),
        ],
      };
      const pointed = new Set([macAt, uuidAt, portAt, idAt].filter((at) => at === 0 || at === 1));
      const expected =
        pointed.size > 1
          ? "ignore conflict"
          : pointed.size === 1
            ? `OFFER 10.77.0.1${([...pointed][0] ?? 0) + 1}`
            : "OFFER 10.77.0.200";
      assert.equal(brief(scene.send(ask("DISCOVER", request))), expected);
    }),
  );
});
