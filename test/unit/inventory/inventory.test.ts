import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { optionText } from "../../../server/dhcp/option-text.ts";
import { AppError } from "../../../server/lib/errors.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import { discoveredMachine, openInventory, testSite } from "../../support/inventory.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

async function faultsOf(change: Promise<unknown>): Promise<string[]> {
  try {
    await change;
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    return error.faults.length === 0
      ? [error.message]
      : error.faults.map((fault) => `${fault.place}: ${fault.message}`);
  }
  return [];
}

test("a range of nodes counts its MACs and addresses up, and is there after the database is opened again", async (t) => {
  const state = temporaryDirectory(t);
  const first = await openInventory(state);
  const answer = await first.inventory.addNodes({
    range: "n[001-014]",
    macs: ["52:54:00:00:00:fe+", "52:54:00:11:00:00+"],
    ip: "10.0.1.11+",
    groups: ["compute"],
    kernelArguments: ["quiet"],
  });
  assert.equal(answer.changed.length, 14);
  await first.database.close();

  const second = await openInventory(state);
  t.after(() => second.database.close());
  const node = second.directory.byName("n003");
  assert.deepEqual(node?.macs, ["52:54:00:00:01:00", "52:54:00:11:00:02"]);
  assert.equal(node?.ip, "10.0.1.13");
  assert.deepEqual(node?.groups, ["compute"]);
  assert.deepEqual(node?.kernelArguments, ["quiet"]);
  assert.equal(second.directory.byMac("52:54:00:11:00:02" as never)?.name, "n003");
  assert.equal(new Set(second.directory.nodes().map((each) => each.machineId)).size, 14);
});

test("without an address nodes get the lowest free ones outside the pool", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  await inventory.addNodes({ range: "a", ip: "10.0.1.3" });
  await inventory.addNodes({ range: "b[1-2]" });
  assert.deepEqual(
    directory.nodes().map((node) => node.ip),
    ["10.0.1.3", "10.0.1.2", "10.0.1.4"],
  );
});

test("beside another DHCP server no address is made up: it is told, or what the machine was seen to have", async (t) => {
  const site = {
    ...testSite,
    dhcp: { mode: "proxy" as const },
    networks: testSite.networks.map((network) => ({ ...network, pools: [] })),
  };
  const seen = { ...discoveredMachine("52:54:00:00:00:07", 1), ip: "10.0.1.57" as Ipv4 };
  const options = { site, discovered: [seen, discoveredMachine("52:54:00:00:00:08", 2)] };
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t), options);
  t.after(() => database.close());
  assert.match((await faultsOf(inventory.addNodes({ range: "n1" })))[0] ?? "", /^--ip: is needed/);
  const unseen = inventory.addNodes({ range: "n1", fromDiscovered: ["52:54:00:00:00:08"] });
  assert.match((await faultsOf(unseen))[0] ?? "", /^--ip: is needed/);
  await inventory.addNodes({ range: "n1", fromDiscovered: ["52:54:00:00:00:07"] });
  assert.equal(directory.byName("n1")?.ip, "10.0.1.57");
  await inventory.addNodes({ range: "n2", ip: "10.0.1.201", macs: ["52:54:00:00:00:09"] });
  assert.equal(directory.byName("n2")?.ip, "10.0.1.201", "there is no pool to keep out of");
});

test("every fault of a request is reported, and nothing is changed", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  await inventory.addNodes({ range: "n1", macs: ["52:54:00:00:00:01"], ip: "10.0.1.11" });
  const faults = await faultsOf(
    inventory.addNodes({
      range: "n[1-2]",
      macs: ["52:54:00:00:00:01+", "nonsense"],
      ip: "10.0.1.249+",
      groups: ["gpu"],
      image: "arch",
      kernelArguments: ["two words", "${net0/mac}"],
    }),
  );
  for (const expected of [
    /^--mac: "nonsense" is not a MAC/,
    /^--ip: 10\.0\.1\.249 lies in the pool/,
    /^--group: there is no group gpu; there is compute/,
    /^--image: there is no image arch/,
    /^--kernel-argument: "two words"/,
    /^--kernel-argument: .*iPXE would expand/,
    /^name: there already: n1/,
  ]) {
    assert.ok(
      faults.some((fault) => expected.test(fault)),
      `${expected} in ${faults.join("\n")}`,
    );
  }
  assert.equal(directory.nodes().length, 1);
});

for (const [what, request, expected] of [
  [
    "a MAC that another node has",
    { range: "n2", macs: ["52-54-00-00-00-01"] },
    /MAC 52:54:00:00:00:01 of n2 is n1's already/,
  ],
  [
    "an address that another node has",
    { range: "n2", ip: "10.0.1.11" },
    /address 10\.0\.1\.11 of n2 is n1's already/,
  ],
  ["the head's address", { range: "n2", ip: "10.0.1.1" }, /head's own/],
  ["an address outside the subnet", { range: "n2", ip: "10.0.2.11" }, /no host address of 10\.0\.1\.0\/24/],
  ["the broadcast address", { range: "n2", ip: "10.0.1.255" }, /no host address/],
  [
    "one MAC for two nodes",
    { range: "n[2-3]", macs: ["52:54:00:00:00:02"] },
    /write 52:54:00:00:00:02\+ to count up/,
  ],
  [
    "too few MACs",
    { range: "n[2-4]", macs: ["52:54:00:00:00:02,52:54:00:00:00:03"] },
    /2 values for 3 nodes/,
  ],
  ["a MAC twice on one node", { range: "n2", macs: ["52:54:00:00:00:02", "52:54:00:00:00:02"] }, /twice/],
  ["more nodes than addresses", { range: "n[1-300]x" }, /free addresses outside the pool, 300 are needed/],
  ["a malformed range", { range: "n[1-" }, /./],
  ["a name that is a path", { range: "../etc" }, /./],
  ["a group address as MAC", { range: "n2", macs: ["01:00:5e:00:00:01"] }, /not a MAC/],
] as const) {
  test(`refused: ${what}`, async (t) => {
    const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
    t.after(() => database.close());
    await inventory.addNodes({ range: "n1", macs: ["52:54:00:00:00:01"], ip: "10.0.1.11" });
    const faults = await faultsOf(inventory.addNodes(request));
    assert.match(faults.join("\n"), expected);
    assert.equal(directory.nodes().length, 1);
  });
}

test("a dry run says what would change and changes nothing", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  const answer = await inventory.addNodes({ range: "n[1-2]", ip: "10.0.1.11+", dryRun: true });
  assert.deepEqual(answer.lines, ["n1: added, 10.0.1.11, no MAC yet", "n2: added, 10.0.1.12, no MAC yet"]);
  assert.equal(answer.dryRun, true);
  assert.equal(directory.nodes().length, 0);
});

test("two nodes can change places: ports and addresses go before they come", async (t) => {
  const state = temporaryDirectory(t);
  const { inventory, directory, database } = await openInventory(state);
  await inventory.addNodes({ range: "n[1-2]", macs: ["52:54:00:00:00:01+"], ip: "10.0.1.11+" });
  const answer = await inventory.setNodes({
    range: "n[1-2]",
    macs: ["52:54:00:00:00:02,52:54:00:00:00:01"],
    ip: "10.0.1.12,10.0.1.11",
  });
  assert.deepEqual(answer.changed, ["n1", "n2"]);
  assert.equal(directory.byMac("52:54:00:00:00:02" as never)?.name, "n1");
  assert.equal(directory.byIp("10.0.1.11" as never)?.name, "n2");
  await database.close();
  const again = await openInventory(state);
  t.after(() => again.database.close());
  assert.equal(again.directory.byIp("10.0.1.11" as never)?.name, "n2");
});

test("a loader is set for a node and for a group, taken away again, and no word of another's is taken", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  const added = await inventory.addNodes({ range: "n[1-2]", loader: "grub", groups: ["compute"] });
  assert.match(added.lines[0] ?? "", /@compute, loader grub$/);
  const group = await inventory.setGroup({ name: "compute", loader: "grub" });
  assert.deepEqual(group.lines, ["group compute: set, loader grub"]);
  const set = await inventory.setNodes({ range: "n1", loader: "" });
  assert.deepEqual(set.lines, ["n1: loader grub -> none"]);
  await inventory.setNodes({ range: "n[1-2]", kernelArguments: ["quiet"] });
  assert.deepEqual(
    directory.nodes().map((node) => node.loader),
    [undefined, "grub"],
  );
  const wrong = /^--loader: "lilo" is none of ipxe, grub/;
  const all = { loader: "lilo", image: "arch" };
  for (const refused of [
    inventory.addNodes({ range: "n3", ...all }),
    inventory.setNodes({ range: "n1", ...all }),
    inventory.setGroup({ name: "compute", ...all }),
  ]) {
    const faults = await faultsOf(refused);
    assert.equal(faults.length, 2, faults.join("\n"));
    assert.ok(
      faults.some((fault) => wrong.test(fault)),
      faults.join("\n"),
    );
  }
  assert.equal(directory.group("compute")?.loader, "grub");
  await inventory.setGroup({ name: "compute", loader: "" });
  assert.equal("loader" in (directory.group("compute") ?? {}), false);
});

test("set adds ports, renames, clears an image, and tells what was so already", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  await inventory.addNodes({ range: "n[1-2]", macs: ["52:54:00:00:00:01+"], image: "debian-13" });
  await inventory.setNodes({ range: "n1", addMacs: ["52:54:00:00:01:01"], image: "", rename: "login" });
  const node = directory.byName("login");
  assert.deepEqual(node?.macs, ["52:54:00:00:00:01", "52:54:00:00:01:01"]);
  assert.equal(node?.image, undefined);
  assert.equal(directory.byName("n1"), undefined);
  const answer = await inventory.setNodes({ range: "n2,login", image: "debian-13" });
  assert.deepEqual(answer.changed, ["login"]);
  assert.deepEqual(answer.unchanged, ["n2"]);
  assert.match(
    (await faultsOf(inventory.setNodes({ range: "n2,login", rename: "x" }))).join(),
    /cannot have one name/,
  );
  assert.match((await faultsOf(inventory.setNodes({ range: "n2" }))).join(), /nothing to set/);
});

test("nodes that are up are not removed unless forced; the others of the range are", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t), { up: ["n2"] });
  t.after(() => database.close());
  await inventory.addNodes({ range: "n[1-3]" });
  const answer = await inventory.removeNodes({ range: "n[1-3]" });
  assert.deepEqual(answer.changed, ["n1", "n3"]);
  assert.deepEqual(
    answer.failed.map((failure) => failure.name),
    ["n2"],
  );
  assert.deepEqual(
    directory.nodes().map((node) => node.name),
    ["n2"],
  );
  await inventory.removeNodes({ range: "n2", force: true });
  assert.equal(directory.nodes().length, 0);
  assert.match((await faultsOf(inventory.removeNodes({ range: "n2" }))).join(), /no such node: n2/);
});

test("discovered machines become nodes in the order seen, or by their MAC", async (t) => {
  const discovered = [discoveredMachine("52:54:00:00:00:0a", 1), discoveredMachine("52:54:00:00:00:0b", 2)];
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t), { discovered });
  t.after(() => database.close());
  assert.match(
    (await faultsOf(inventory.addNodes({ range: "n1", fromDiscovered: true }))).join(),
    /2 unknown machines were seen, name one/,
  );
  await inventory.addNodes({ range: "n1", fromDiscovered: ["52:54:00:00:00:0B"] });
  assert.equal(directory.byMac("52:54:00:00:00:0b" as never)?.name, "n1");
  assert.match(
    (await faultsOf(inventory.addNodes({ range: "n2", fromDiscovered: ["52:54:00:00:00:0b"] }))).join(),
    /n1's already/,
  );
  await inventory.addNodes({ range: "n2", fromDiscovered: true });
  assert.equal(directory.byMac("52:54:00:00:00:0a" as never)?.name, "n2");
  assert.match(
    (await faultsOf(inventory.addNodes({ range: "n3", fromDiscovered: true }))).join(),
    /0 unknown machines were seen/,
  );
});

test("groups: added, set, and kept while they have nodes", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  await inventory.addGroup({ name: "gpu", image: "debian-13", kernelArguments: ["iommu=pt"] });
  await inventory.addNodes({ range: "n1", groups: ["gpu"] });
  assert.match((await faultsOf(inventory.addGroup({ name: "gpu" }))).join(), /already/);
  assert.match((await faultsOf(inventory.removeGroup({ name: "gpu" }))).join(), /still has n1/);
  assert.match((await faultsOf(inventory.setGroup({ name: "nope" }))).join(), /no group nope/);
  await inventory.setGroup({ name: "gpu", image: "" });
  assert.deepEqual(directory.group("gpu"), { name: "gpu", kernelArguments: ["iommu=pt"] });
  await inventory.removeNodes({ range: "@gpu" });
  await inventory.removeGroup({ name: "gpu" });
  assert.equal(directory.group("gpu"), undefined);
});

test("addresses are of any network; those chosen are of the wire where the machine was seen", async (t) => {
  const network = (net: number, wire: string, pools: { from: Ipv4; to: Ipv4 }[] = []) => ({
    subnet: { base: `10.0.${net}.0` as Ipv4, bits: 29 },
    wire,
    pools,
    router: `10.0.${net}.1` as Ipv4,
  });
  const pool = { from: "10.0.2.5" as Ipv4, to: "10.0.2.6" as Ipv4 };
  const site = {
    ...testSite,
    address: "10.0.1.2" as Ipv4,
    networks: [network(1, "eth1"), network(2, "rack2", [pool]), network(3, "rack2"), network(4, "rack4")],
  };
  const discovered = [1, 2, 3, 4, 5, 6].map((last) => ({
    ...discoveredMachine(`52:54:00:00:00:0${last}`, last),
    ip: "10.0.2.6" as Ipv4,
  }));
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t), { site, discovered });
  t.after(database.close);
  const ipsOf = (): string[] => directory.nodes().map((node) => node.ip);
  await inventory.addNodes({ range: "a[1-4]", fromDiscovered: true });
  assert.deepEqual(
    ipsOf(),
    ["10.0.2.2", "10.0.2.3", "10.0.2.4", "10.0.3.2"],
    "and the next network of the wire",
  );
  await inventory.addNodes({ range: "b[1-2]", ip: "10.0.4.5+" });
  await inventory.addNodes({ range: "c1" });
  assert.deepEqual(ipsOf().slice(4), ["10.0.4.5", "10.0.4.6", "10.0.1.3"], "else of the head's own wire");
  for (const [ip, message] of [
    ["10.0.2.5", /in the pool 10\.0\.2\.5-10\.0\.2\.6/],
    ["10.0.4.1", /router/],
    ["10.0.5.1", /no host address of 10\.0\.1\.0\/29, 10\.0\.2\.0\/29, 10\.0\.3\.0\/29, 10\.0\.4\.0\/29/],
  ] as const) {
    await assert.rejects(inventory.addNodes({ range: "d1", ip }), (error) => {
      assert.ok(error instanceof AppError);
      assert.match(error.faults[0]?.message ?? "", message);
      return true;
    });
  }
  await assert.rejects(inventory.addNodes({ range: "e[1-9]" }), (error) => {
    assert.ok(error instanceof AppError);
    assert.match(
      error.faults[0]?.message ?? "",
      /10\.0\.1\.0\/29 has 3 free addresses outside the pool, 9 are needed/,
    );
    return true;
  });
});

const uuids = ["4c4c4544-0042-3510-8054-b7c04f4e3732", "4c4c4544-0042-3510-8054-b7c04f4e3733"] as const;

test("nodes are known by UUID, client identifier and switch port, also after the database is opened again", async (t) => {
  const state = temporaryDirectory(t);
  const first = await openInventory(state);
  const added = await first.inventory.addNodes({
    range: "n[1-2]",
    uuid: uuids.join(","),
    clientIds: ["01:52:54:00:00:00:01,text:two", "text:one,text:other"],
    relayPort: "sw1/ge-0/0/1+",
    options: ["ntp-servers=10.0.1.1", "224=hex:01"],
  });
  assert.match(
    added.lines[0] ?? "",
    /UUID 4c4c.*, client identifier 01:52.*, relay port sw1\/ge-0\/0\/1, option ntp-servers=10\.0\.1\.1, option 224=hex:01$/,
  );
  await first.inventory.setGroup({ name: "compute", options: ["interface-mtu=9000"] });
  await first.database.close();
  const { inventory, directory, database } = await openInventory(state);
  t.after(database.close);
  const [one, two] = directory.nodes();
  assert.ok(one && two);
  assert.deepEqual([one.macs, one.uuid, two.uuid], [[], ...uuids]);
  assert.equal(directory.byUuid(uuids[1] as never), two);
  assert.equal(directory.byClientId("74776f" as never), two);
  assert.equal(directory.byClientId("6f6e65" as never), one);
  assert.equal(directory.byRelayPort("737731/67652d302f302f32" as never), two);
  assert.deepEqual(one.options?.map(optionText), ["ntp-servers=10.0.1.1", "224=hex:01"]);
  assert.deepEqual(directory.group("compute")?.options?.map(optionText), ["interface-mtu=9000"]);

  await inventory.setNodes({ range: "n[1-2]", uuid: uuids.toReversed().join(","), options: ["224=hex:02"] });
  assert.equal(directory.byUuid(uuids[1] as never)?.name, "n1", "two may change places");
  const taken = await inventory.setNodes({
    range: "n2",
    uuid: "",
    clientIds: [],
    relayPort: "",
    options: [],
  });
  assert.deepEqual(taken.lines, [
    `n2: uuid ${uuids[0]} -> none`,
    "n2: client identifier 74:77:6f 6f:74:68:65:72 -> none",
    "n2: relay port sw1/ge-0/0/2 -> none",
    "n2: options 224=hex:02 -> none",
  ]);
  assert.equal(directory.byUuid(uuids[0] as never), undefined);
  await inventory.removeNodes({ range: "n1" });
  assert.equal(directory.byRelayPort("737731/67652d302f302f31" as never), undefined);
});

test("identifiers and options that are wrong or another's are all told at once, and nothing is changed", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(database.close);
  await inventory.addNodes({ range: "n1", uuid: uuids[0], clientIds: ["text:one"], relayPort: "sw1/eth1" });
  const faults = await faultsOf(
    inventory.addNodes({
      range: "n[2-3]",
      uuid: `${uuids[0]},${uuids[1]}`,
      clientIds: ["text:one,text:two", "zz,text:three"],
      relayPort: "sw1/eth1",
      options: ["ntp-servers=10.0.1", "lease-time=5", "224=hex:01", "224=hex:02"],
    }),
  );
  assert.deepEqual(faults.toSorted(), [
    '--client-id: "zz" is not a client identifier such as 01:52:54:00:aa:00:01 or text:rack1-node1',
    "--client-id: client identifier 6f:6e:65 of n2 is n1's already",
    "--option: 224=hex:02: set twice",
    "--option: lease-time cannot be set: it is leaseSeconds of the network",
    '--option: ntp-servers: "10.0.1" is not an IPv4 address, or several with commas between, or hex:…, text:… or ip:…',
    "--relay-port: one value for 2 nodes; write sw1/eth1+ to count up",
    `--uuid: UUID ${uuids[0]} of n2 is n1's already`,
  ]);
  assert.match(
    (await faultsOf(inventory.addNodes({ range: "n[2-3]", uuid: uuids[1] })))[0] ?? "",
    /one for each with commas/,
  );
  assert.equal(directory.nodes().length, 1);
});

test("a site whose pool now overlaps a node's address is refused when the inventory is loaded", async (t) => {
  const state = temporaryDirectory(t);
  const { inventory, database } = await openInventory(state);
  await inventory.addNodes({ range: "n[1-2]", ip: "10.0.1.11+" });
  await database.close();
  const pools = [{ from: "10.0.1.12" as never, to: "10.0.1.250" as never }];
  const site = { ...testSite, networks: testSite.networks.map((network) => ({ ...network, pools })) };
  await assert.rejects(
    openInventory(state, { site }),
    (error) =>
      error instanceof AppError && error.faults.length === 1 && /n2/.test(error.faults[0]?.place ?? ""),
  );
});

test("changes at the same time take turns: no address is given twice", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  await Promise.all(Array.from({ length: 20 }, (_, index) => inventory.addNodes({ range: `n${index}` })));
  assert.equal(new Set(directory.nodes().map((node) => node.ip)).size, 20);
});

test("whatever the request, the inventory holds no MAC, address or name twice", async (t) => {
  const { inventory, directory, database } = await openInventory(temporaryDirectory(t));
  t.after(() => database.close());
  const small = fc.integer({ min: 1, max: 6 });
  const request = fc.record({ first: small, count: small, mac: small, ip: small, change: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(request, async ({ first, count, mac, ip, change }) => {
      const values = {
        range: `n[${first}-${first + count - 1}]`,
        macs: [`52:54:00:00:00:0${mac}+`],
        ip: `10.0.1.${10 + ip}+`,
      };
      await faultsOf(change ? inventory.setNodes(values) : inventory.addNodes(values));
      const nodes = directory.nodes();
      const macs = nodes.flatMap((node) => node.macs);
      assert.equal(new Set(macs).size, macs.length);
      assert.equal(new Set(nodes.map((node) => node.ip)).size, nodes.length);
      for (const node of nodes) assert.equal(directory.byMac(node.macs[0] ?? ("" as never)), node);
    }),
    { numRuns: 60 },
  );
});
