import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { settingsOf } from "../../../server/dhcp/option-settings.ts";
import { readOptionText } from "../../../server/dhcp/option-text.ts";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import { previewOptions } from "../../../server/dhcp/preview.ts";
import type { DhcpOption, Group } from "../../../server/model/node.ts";
import {
  type Ask,
  Scene,
  ask,
  directoryOf,
  goldenPacket,
  ip,
  nodeOf,
  ownNetwork,
  read,
  select,
  siteOf,
} from "../../support/dhcp-scene.ts";

const anna: Ask = { mac: "52:54:00:00:00:0a" };

function options(...texts: string[]): DhcpOption[] {
  return texts.map((text) => {
    const given = readOptionText(text);
    if ("fault" in given) throw new Error(given.fault);
    return given.option;
  });
}

/** A scene whose site, network, groups `compute` and `gpu`, and node n001 of both, set these options. */
function sceneWith(set: Partial<Record<"site" | "network" | "compute" | "gpu" | "node", string[]>>): Scene {
  const scene = new Scene({
    options: options(...(set.site ?? [])),
    networks: [{ ...ownNetwork, options: options(...(set.network ?? [])) }],
  });
  const groups = new Map<string, Group>(
    (["compute", "gpu"] as const).map((name) => [
      name,
      { name, kernelArguments: [], options: options(...(set[name] ?? [])) },
    ]),
  );
  Object.assign(scene.view.directory, { group: (name: string) => groups.get(name) });
  const node = nodeOf("n001", "10.77.0.11", [anna.mac]);
  scene.nodes.push({ ...node, groups: ["compute", "gpu"], options: options(...(set.node ?? [])) });
  return scene;
}

test("what is set nearer to the node wins: node, first group, second group, network, site", () => {
  const layers = ["node", "compute", "gpu", "network", "site"] as const;
  const froms = {
    node: "node",
    compute: "group compute",
    gpu: "group gpu",
    network: "network 10.77.0.0/24",
    site: "site",
  };
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.constantFrom(...layers), fc.integer({ min: 224, max: 227 })), {
        selector: ([layer, code]) => `${layer} ${code}`,
      }),
      (given) => {
        const set = Object.fromEntries(
          layers.map((layer, rank) => [
            layer,
            given.flatMap(([at, code]) => (at === layer ? [`${code}=hex:0${rank}`] : [])),
          ]),
        );
        const { view, nodes } = sceneWith(set);
        const settings = settingsOf(nodes[0], view.site.networks[0], view.site, view.directory);
        const codes = new Set(given.map(([, code]) => code));
        assert.deepEqual(new Set(settings.keys()), codes);
        for (const code of codes) {
          const rank = layers.findIndex((layer) => given.some(([at, each]) => at === layer && each === code));
          assert.deepEqual([...(settings.get(code)?.value ?? [])], [rank]);
          assert.equal(settings.get(code)?.from, froms[layers[rank] ?? "site"]);
        }
      },
    ),
  );
});

test("offer, acknowledgement and INFORM carry what is set, for this node and for strangers", () => {
  const scene = sceneWith({
    site: ["ntp-servers=10.77.0.1", "224=text:site"],
    compute: ["ntp-servers=10.77.0.2"],
    node: ["225=hex:0102"],
  });
  for (const packet of [
    ask("DISCOVER", anna),
    select(anna, "10.77.0.11"),
    ask("INFORM", { ...anna, ciaddr: ip("10.77.0.11") }),
  ]) {
    const { wire } = scene.send(packet);
    assert.deepEqual(read(wire, option.ntpServers), ["10.77.0.2"]);
    assert.equal(Buffer.from(wire?.options.get(224) ?? []).toString(), "site");
    assert.deepEqual([...(wire?.options.get(225) ?? [])], [1, 2]);
  }
  const stranger = scene.send(ask("DISCOVER", { mac: "52:54:00:00:00:0b" }));
  assert.deepEqual(read(stranger.wire, option.ntpServers), ["10.77.0.1"]);
  assert.equal(stranger.wire?.options.get(225), undefined);
});

test("what the network says is set aside where an option says otherwise", () => {
  const scene = sceneWith({ node: ["routers=10.77.0.253", "domain-name=gpu.test", "host-name=other"] });
  const { wire } = scene.send(ask("DISCOVER", anna));
  assert.deepEqual(read(wire, option.routers), ["10.77.0.253"]);
  assert.equal(read(wire, option.domain), "gpu.test");
  assert.equal(read(wire, option.hostname), "other");
});

test("classless routes carry the router too, which a client that takes them ignores by itself (RFC 3442)", () => {
  const scene = sceneWith({ network: ["classless-routes=10.9.0.0/16 by 10.77.0.9"] });
  const { wire } = scene.send(ask("DISCOVER", anna));
  assert.deepEqual(read(wire, option.classlessRoutes), [
    { base: "0.0.0.0", bits: 0, router: "10.77.0.254" },
    { base: "10.9.0.0", bits: 16, router: "10.77.0.9" },
  ]);
  const own = sceneWith({ network: ["classless-routes=0.0.0.0/0 by 10.77.0.9"] });
  assert.equal(
    read(own.send(ask("DISCOVER", anna)).wire, option.classlessRoutes)?.length,
    1,
    "its own default",
  );
});

test("times of renewal that make no sense are left as they follow from the lease", () => {
  for (const [set, expected] of [
    [["renewal-time=600"], [600, 3150]],
    [
      ["renewal-time=600", "rebinding-time=1200"],
      [600, 1200],
    ],
    [["renewal-time=3200"], [1800, 3150]],
    [["rebinding-time=3600"], [1800, 3150]],
    [["renewal-time=0"], [1800, 3150]],
  ] as const) {
    const scene = sceneWith({ site: [...set] });
    const { wire } = scene.send(ask("DISCOVER", anna));
    assert.deepEqual(
      [read(wire, option.renewSeconds), read(wire, option.rebindSeconds)],
      expected,
      set.join(" "),
    );
    const inform = scene.send(ask("INFORM", { ...anna, ciaddr: ip("10.77.0.11") }));
    assert.equal(read(inform.wire, option.renewSeconds), undefined);
  }
});

test("a boot file of the administrator's own stands in the header, too", () => {
  const scene = sceneWith({ node: ["boot-file=memtest.efi", "tftp-server=10.77.0.9"] });
  Object.assign(scene.nodes[0] ?? {}, { macs: ["52:54:00:00:04:01"] });
  const { wire } = scene.send(goldenPacket("edk2-x64-pxe-discover"));
  assert.equal(wire?.file, "memtest.efi");
  assert.equal(wire.siaddr, "10.77.0.9");
  assert.equal(read(wire, option.bootFile), "memtest.efi");
});

test("of more than a reply can hold, what the client cannot do without is kept", () => {
  const long = (code: number): string => `${code}=text:${"x".repeat(240)}`;
  const scene = sceneWith({ site: [224, 225, 226, 227, 228].map(long) });
  const { wire } = scene.send(ask("DISCOVER", anna));
  assert.equal(read(wire, option.leaseSeconds), 3600);
  assert.deepEqual(read(wire, option.routers), ["10.77.0.254"]);
  assert.equal(read(wire, option.hostname), "n001");
  const roomy = scene.send(ask("DISCOVER", { ...anna, options: [optionOf(option.maxMessageBytes, 1500)] }));
  assert.ok(roomy.wire?.options.has(227));
});

test("the preview says where each value comes from", () => {
  const { view, nodes } = sceneWith({ compute: ["ntp-servers=10.77.0.2"], node: ["225=hex:0102"] });
  const [node] = nodes;
  assert.ok(node);
  const shown = previewOptions(node, view, "bios").at(-1)?.options ?? [];
  const from = (name: string): string | undefined => shown.find((entry) => entry.name === name)?.from;
  assert.deepEqual(
    [from("ntp-servers"), from("option-225"), from("routers")],
    ["group compute", "node", undefined],
  );
  assert.equal(previewOptions(node, { site: siteOf(), directory: directoryOf([]) }, "bios").length, 3);
});
