import assert from "node:assert/strict";
import { test } from "node:test";
import { asProxy } from "../../../server/config/config.ts";
import { loadConfig, parseConfig } from "../../../server/config/load.ts";
import { optionText } from "../../../server/dhcp/option-text.ts";
import { renderConfigFile } from "../../../server/config/template.ts";
import { machineFaults, type MachineNetwork } from "../../../server/config/machine.ts";
import { AppError } from "../../../server/lib/errors.ts";

const sound = {
  interface: "eth1",
  address: "10.0.1.1",
  subnet: "10.0.1.0/24",
  pool: "10.0.1.200-10.0.1.250",
};

function faultsOf(text: string): { place: string; message: string }[] {
  try {
    parseConfig(text, "head.yaml");
  } catch (error) {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, "invalid");
    return [...error.faults];
  }
  return [];
}

test("what init writes is read back with the values given and the defaults for the rest", () => {
  const config = parseConfig(
    renderConfigFile({ ...sound, ports: { http: 80 }, dns: ["10.0.1.2"] }),
    "head.yaml",
  );
  assert.equal(config.interface, "eth1");
  assert.deepEqual(config.subnet, { base: "10.0.1.0", bits: 24 });
  assert.deepEqual(config.networks[0].pools, [{ from: "10.0.1.200", to: "10.0.1.250" }]);
  assert.deepEqual(config.ports, { dhcp: 67, bootServer: 4011, tftp: 69, http: 80, nfs: 2049 });
  assert.deepEqual(config.networks[0].dns, ["10.0.1.2"]);
  assert.equal(config.networks[0].leaseSeconds, 3600);
  assert.equal(config.nfs.backend, "auto");
  assert.equal(config.tftp.singlePort, false);
  assert.equal(config.unknownMachines, "wait");
});

test("every setting that init leaves at its default stands in the file as a comment", () => {
  const text = renderConfigFile(sound);
  for (const key of [
    "leaseSeconds",
    "domain",
    "router",
    "dns",
    "networks",
    "options",
    "authoritative",
    "imageStore",
    "stateDirectory",
    "socket",
    "tftp",
    "nfs",
    "ports",
  ]) {
    assert.match(text, new RegExp(`^# ${key}:`, "m"), key);
  }
});

test("tftp.singlePort is written, read back, and is true or false", () => {
  const text = renderConfigFile({ ...sound, tftpSinglePort: true });
  assert.equal(parseConfig(text, "head.yaml").tftp.singlePort, true);
  const faults = faultsOf(text.replace("singlePort: true", "singlePort: 69"));
  assert.deepEqual(
    faults.map(({ place, message }) => [place.replace(/:\d+/, ""), message]),
    [["head.yaml: tftp.singlePort", "expected true or false"]],
  );
});

test("all faults are reported at once, each with its line and its key, in the order of the file", () => {
  const faults = faultsOf(
    "interface: eth1\naddress: 10.0.9.1\nsubnet: 10.0.1.0/24\npool: 10.0.1.200-10.0.3.250\nfoo: 1\nnfs:\n  backend: zfs\nports:\n  http: 99999\n",
  );
  assert.deepEqual(
    faults.map((fault) => fault.place),
    [
      "head.yaml:2: address",
      "head.yaml:4: pool",
      "head.yaml:5: foo",
      "head.yaml:7: nfs.backend",
      "head.yaml:9: ports.http",
    ],
  );
  assert.match(faults[0]?.message ?? "", /10\.0\.9\.1 is outside 10\.0\.1\.0\/24/);
  assert.match(faults[1]?.message ?? "", /10\.0\.3\.250 is outside/);
});

test("further networks take from the head what they do not say, and have a wire of their own", () => {
  const config = parseConfig(
    JSON.stringify({
      ...sound,
      router: "10.0.1.254",
      dns: ["10.0.1.2"],
      networks: [
        { subnet: "10.0.2.0/24", pool: ["10.0.2.10-10.0.2.19", "10.0.2.30-10.0.2.39"], router: "10.0.2.1" },
        { subnet: "10.0.3.0/24", wire: "eth1", dns: [], domain: "rack3.lan", leaseSeconds: 600 },
      ],
    }),
    "head.yaml",
  );
  const always = { dns: ["10.0.1.2"], domain: "cluster.lan", leaseSeconds: 3600, options: [] };
  assert.deepEqual(config.networks, [
    {
      ...always,
      subnet: { base: "10.0.1.0", bits: 24 },
      wire: "eth1",
      pools: [{ from: "10.0.1.200", to: "10.0.1.250" }],
      router: "10.0.1.254",
    },
    {
      ...always,
      subnet: { base: "10.0.2.0", bits: 24 },
      wire: "10.0.2.0/24",
      pools: [
        { from: "10.0.2.10", to: "10.0.2.19" },
        { from: "10.0.2.30", to: "10.0.2.39" },
      ],
      router: "10.0.2.1",
    },
    {
      subnet: { base: "10.0.3.0", bits: 24 },
      wire: "eth1",
      pools: [],
      dns: [],
      domain: "rack3.lan",
      leaseSeconds: 600,
      options: [],
    },
  ]);
  assert.equal(config.authoritative, true);
});

test("DHCP options are read by name and number, of the site and of each network", () => {
  const config = parseConfig(
    `${renderConfigFile(sound)}
options:
  ntp-servers: [10.0.1.1, 10.0.1.2]
  interface-mtu: 9000
  ip-forwarding: true
  224: text:abc
networks:
  - subnet: 10.0.2.0/24
    options: { classless-routes: 10.9.0.0/16 by 10.0.2.1 }
`,
    "head.yaml",
  );
  assert.deepEqual(config.options.map(optionText), [
    "224=hex:616263",
    "ntp-servers=10.0.1.1, 10.0.1.2",
    "interface-mtu=9000",
    "ip-forwarding=yes",
  ]);
  assert.deepEqual(config.networks[1]?.options.map(optionText), ["classless-routes=10.9.0.0/16 by 10.0.2.1"]);
});

test("faults of options are told with the rest, each at its line", () => {
  const faults = faultsOf(`interface: eth1
address: 10.0.1.1
subnet: 10.0.1.0/24
pool: 10.0.1.300-10.0.1.310
options:
  ntp-server: 10.0.1.1
  lease-time: 60
networks:
  - subnet: 10.0.2.0/24
    options:
      interface-mtu: big
      300: hex:00
`);
  assert.deepEqual(
    faults.map((fault) => `${fault.place} ${fault.message}`),
    [
      'head.yaml:4: pool "10.0.1.300-10.0.1.310" is not a range of addresses such as 10.0.1.200-10.0.1.250',
      "head.yaml:6: options.ntp-server there is no option ntp-server, ntp-servers perhaps; any goes by its number",
      "head.yaml:7: options.lease-time lease-time cannot be set: it is leaseSeconds of the network",
      'head.yaml:11: networks.0.options.interface-mtu interface-mtu: "big" is not a number from 0 to 65535, or hex:…, text:… or ip:…',
      "head.yaml:12: networks.0.options.300 there is no option 300; any goes by its number",
    ],
  );
});

test("faults of networks are all told, each at its line, one that is wrong by itself beside clashes of the rest", () => {
  const faults = faultsOf(`interface: eth1
address: 10.0.1.1
subnet: 10.0.1.0/24
pool:
  - 10.0.1.200-10.0.1.250
  - 10.0.1.240-10.0.1.254
networks:
  - subnet: 10.0.0.0/16
  - pool: 10.0.2.5-10.0.2.9
    router: 10.0.2.300
  - subnet: 10.0.3.0/24
    router: 10.0.4.1
    pool: [10.0.3.5-10.0.3.1, 10.0.3.0-10.0.3.9]
    colour: red
`);
  assert.deepEqual(
    faults.map((fault) => `${fault.place} ${fault.message}`),
    [
      "head.yaml:4: pool 10.0.1.240-10.0.1.254 overlaps 10.0.1.200-10.0.1.250",
      "head.yaml:8: networks.0.subnet 10.0.0.0/16 overlaps 10.0.1.0/24",
      "head.yaml:9: networks.1.subnet is missing",
      'head.yaml:10: networks.1.router "10.0.2.300" is not an IPv4 address such as 10.0.1.1',
      "head.yaml:11: networks.2.subnet 10.0.3.0/24 overlaps 10.0.0.0/16",
      "head.yaml:12: networks.2.router 10.0.4.1 is outside 10.0.3.0/24",
      'head.yaml:13: networks.2.pool.0 "10.0.3.5-10.0.3.1" is not a range of addresses such as 10.0.1.200-10.0.1.250',
      "head.yaml:14: networks.2.colour there is no such setting",
    ],
  );
});

test("missing settings are said to be missing", () => {
  assert.deepEqual(
    faultsOf("interface: eth1\n").map((fault) => fault.message),
    ["is missing", "is missing", "is missing"],
  );
});

for (const [what, change, message] of [
  ["the pool holds the head's address", { pool: "10.0.1.1-10.0.1.9" }, /head's own address/],
  ["the pool is the wrong way round", { pool: "10.0.1.9-10.0.1.2" }, /not a range/],
  ["the pool reaches the broadcast address", { pool: "10.0.1.9-10.0.1.255" }, /no host address/],
  ["the subnet has host bits", { subnet: "10.0.1.1/24" }, /not a subnet/],
  ["the router is elsewhere", { router: "10.9.9.9" }, /outside/],
  [
    "the state directory is shared with nodes",
    { stateDirectory: "/srv/provision/shared/state" },
    /nodes could write/,
  ],
  ["a kernel argument is two", { kernelArguments: ["quiet splash"] }, /one word/],
  ["a key is no key", { authorizedKeys: ["hello"] }, /public key/],
] as const) {
  test(`refused: ${what}`, () => {
    const faults = faultsOf(JSON.stringify({ ...sound, ...change }));
    assert.equal(faults.length, 1, JSON.stringify(faults));
    assert.match(faults[0]?.message ?? "", message);
  });
}

test("beside another DHCP server there is no pool, and --proxy takes a configuration's away", () => {
  const { pool, ...without } = sound;
  const config = parseConfig(renderConfigFile({ ...without, dhcpMode: "proxy" }), "head.yaml");
  assert.equal(config.dhcp.mode, "proxy");
  assert.equal("pool" in config, false);
  assert.deepEqual(
    faultsOf(JSON.stringify({ ...without, pool, dhcp: { mode: "proxy" } })).map((fault) => fault.place),
    ["head.yaml:1: pool"],
  );
  assert.deepEqual(faultsOf(JSON.stringify(without)), [
    { place: "head.yaml:1: pool", message: "is missing" },
  ]);
  assert.deepEqual(
    faultsOf(JSON.stringify({ ...without, dhcp: { mode: "rogue" } })).map((fault) => fault.place),
    ["head.yaml:1: dhcp.mode"],
  );
  const proxied = asProxy(parseConfig(JSON.stringify(sound), "head.yaml"));
  assert.equal(proxied.dhcp.mode, "proxy");
  assert.equal("pool" in proxied, false);
});

test("a file that is no YAML is a fault with its line, a file that is not there says what to do", () => {
  assert.match(faultsOf("interface: eth1\naddress: [1\n")[0]?.place ?? "", /^head\.yaml:[23]$/);
  assert.match(faultsOf("just words")[0]?.message ?? "", /key: value/);
  assert.throws(
    () => loadConfig("/nowhere/provision.yaml"),
    (error) => error instanceof AppError && error.code === "not-found" && error.hint === "provision init",
  );
});

const machine: MachineNetwork = {
  interfaces: {
    lo: [{ address: "127.0.0.1", cidr: "127.0.0.1/8" }],
    eth1: [{ address: "10.0.1.1", cidr: "10.0.1.1/24" }],
    eth2: [],
  },
  ipv6: { eth1: [{ address: "fd77::1", cidr: "fd77::1/64" }] },
  macs: {},
  exists: (name) => ["lo", "eth1", "eth2"].includes(name),
};

for (const [what, change, message] of [
  ["an unknown interface", { interface: "eth9" }, /no network interface eth9; this machine has eth1, eth2/],
  [
    "an address that the interface has not",
    { address: "10.0.1.2" },
    /10\.0\.1\.2 is not an address of eth1, which has 10\.0\.1\.1/,
  ],
  [
    "an IPv6 address that the interface has not",
    { ipv6: { address: "fd77::2" } },
    /fd77::2 is not an address of eth1, which has fd77::1\/64/,
  ],
  ["an interface without an address", { interface: "eth2" }, /eth2, which has no address/],
  ["a subnet of another size", { subnet: "10.0.0.0/16" }, /size/],
] as const) {
  test(`does not fit the machine: ${what}`, () => {
    const config = parseConfig(JSON.stringify({ ...sound, ...change }), "head.yaml");
    const faults = machineFaults(config, machine);
    assert.equal(faults.length, 1);
    assert.match(faults[0]?.message ?? "", message);
  });
}

test("a configuration that fits the machine has no faults", () => {
  assert.deepEqual(machineFaults(parseConfig(JSON.stringify(sound), "head.yaml"), machine), []);
});
