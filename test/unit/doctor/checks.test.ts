import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../../server/config/load.ts";
import type { Check } from "../../../server/doctor/check.ts";
import { type HeadFacts, headChecks } from "../../../server/doctor/head-checks.ts";
import { machineChecks, type MachineFacts } from "../../../server/doctor/machine-checks.ts";
import { AppError } from "../../../server/lib/errors.ts";
import type { StatusAnswer } from "../../../server/model/answers.ts";
import type { ImageVersion } from "../../../server/model/image.ts";

const config = parseConfig(
  "interface: eth1\naddress: 10.0.1.1\nsubnet: 10.0.1.0/24\npool: 10.0.1.200-10.0.1.250\n",
  "provision.yaml",
);

const status: StatusAnswer = {
  version: "0",
  running: false,
  pid: 4711,
  startedAtMs: 0,
  config: "provision.yaml",
  interface: "eth1",
  address: "10.0.1.1",
  subnet: "10.0.1.0/24",
  networks: [],
  pool: "",
  parts: [],
  nodes: {},
  loaders: ["ipxe"],
  unknownMachines: 0,
  leases: 0,
  images: 1,
};

const image = { name: "debian-13", version: "20261122-3f9a1c04", current: true } as ImageVersion;

const machine: MachineFacts = {
  nodeVersion: "26.10.0",
  processStatus: "Name:\tnode\nCapEff:\t000001fffeffffff\n",
  program: (name) => `/usr/bin/${name}`,
};

/** Everything as it should be; no head runs. */
const sound: HeadFacts = {
  network: {
    interfaces: { eth1: [{ address: "10.0.1.1", cidr: "10.0.1.1/24" }] },
    ipv6: {},
    macs: {},
    exists: (name) => name === "eth1",
  },
  nfs: { backend: "ganesha" },
  fileExists: () => true,
  freeBytes: () => 100 * 1024 ** 3,
  ports: [
    { service: "dhcp", port: 67 },
    { service: "nfs", port: 2049 },
  ],
  store: { status, images: [image] },
};

function find(checks: readonly Check[], name: string): Check {
  return checks.find((check) => check.name === name) ?? assert.fail(`no check ${name}`);
}

function head(facts: Partial<HeadFacts>, changes: object = {}): readonly Check[] {
  return headChecks({ ...config, ...changes }, { ...sound, ...facts });
}

describe("doctor on the machine", () => {
  it("is content with a sound one", () => {
    assert.deepEqual([...new Set(machineChecks(machine).map(({ state }) => state))], ["ok"]);
  });
  it("an old Node", () => {
    const check = find(machineChecks({ ...machine, nodeVersion: "20.19.2" }), "node");
    assert.equal(check.state, "fail");
    assert.match(check.detail, /20\.19\.2 is too old/);
  });
  it("a process without rights, each named with its use", () => {
    // CAP_NET_BIND_SERVICE alone: bit 10.
    const check = find(
      machineChecks({ ...machine, processStatus: "CapEff:\t0000000000000400\n" }),
      "privileges",
    );
    assert.equal(check.state, "fail");
    assert.match(check.detail, /CAP_NET_ADMIN \(.*CAP_NET_RAW \(.*CAP_SYS_ADMIN \(/);
    assert.doesNotMatch(check.detail, /BIND_SERVICE/);
  });
  it("programs that only some commands need are a warning", () => {
    const checks = machineChecks({ ...machine, program: () => undefined });
    const check = find(checks, "mmdebstrap");
    assert.deepEqual([check.state, check.fix], ["warn", "apt-get install mmdebstrap"]);
    assert.equal(find(checks, "qemu-system-x86_64").state, "warn");
  });
});

describe("doctor on a head", () => {
  it("is content with a sound one, but says that it does not run", () => {
    const notOk = head({}).filter(({ state }) => state !== "ok");
    assert.deepEqual(notOk, [{ name: "head", state: "warn", detail: "not running", fix: "provision serve" }]);
  });
  it("an interface that is down or has another address", () => {
    const network = {
      interfaces: { eth1: [{ address: "10.0.1.9", cidr: "10.0.1.9/24" }] },
      ipv6: {},
      macs: {},
      exists: () => true,
    };
    const check = find(head({ network }), "interface");
    assert.equal(check.state, "fail");
    assert.match(check.detail, /10\.0\.1\.1 is not an address of eth1, which has 10\.0\.1\.9/);
    assert.match(check.fix ?? "", /ip address add 10\.0\.1\.1\/24 dev eth1/);
  });
  it("loaders: BIOS and UEFI x64 are needed, arm64 is not", () => {
    const checks = head({ fileExists: () => false });
    assert.equal(find(checks, "loader BIOS").state, "fail");
    assert.equal(find(checks, "loader UEFI x64").state, "fail");
    assert.equal(find(checks, "loader UEFI arm64").state, "warn");
    assert.match(find(checks, "loader BIOS").detail, /\/usr\/lib\/ipxe\/undionly\.kpxe is missing/);
  });
  it("GRUB is needed where some node is given it, whatever the site's loader", () => {
    const fileExists = (path: string): boolean => !path.endsWith("grubnetx64.efi");
    assert.equal(
      head({ fileExists }).find(({ name }) => name === "loader GRUB"),
      undefined,
    );
    const store = { status: { ...status, loaders: ["ipxe", "grub"] as const }, images: [image] };
    const check = find(head({ fileExists, store }), "loader GRUB");
    assert.deepEqual([check.state, check.fix], ["fail", "apt-get install grub-efi-amd64-bin"]);
  });
  it("shim needs its GRUB too", () => {
    const fileExists = (path: string): boolean =>
      !path.includes("-efi-signed/") && !path.startsWith("/usr/lib/ipxe/g");
    const store = { status: { ...status, loaders: ["shim"] as const }, images: [image] };
    const check = find(head({ fileExists, store }), "loader shim");
    assert.deepEqual(
      [check.state, check.detail],
      ["fail", "grubx64.efi is missing: machines with UEFI x64 firmware cannot boot"],
    );
    assert.equal(check.fix, "apt-get install shim-signed grub-efi-amd64-signed");
  });
  it("PXELINUX needs its module", () => {
    const fileExists = (path: string): boolean => !path.endsWith("ldlinux.c32");
    const store = { status: { ...status, loaders: ["pxelinux"] as const }, images: [image] };
    const check = find(head({ fileExists, store }), "loader PXELINUX");
    assert.match(check.detail, /^ldlinux\.c32 is missing: machines with BIOS/);
    assert.equal(check.fix, "apt-get install pxelinux syslinux-common");
  });
  it("no usable NFS server", () => {
    const problem = new AppError("environment", "no usable NFS server", {
      hint: "apt-get install nfs-ganesha",
    });
    const check = find(head({ nfs: { problem } }), "nfs server");
    assert.deepEqual([check.state, check.fix], ["fail", "apt-get install nfs-ganesha"]);
  });
  it("a port that another process holds", () => {
    const problem = new AppError("environment", "port 67 is taken by dnsmasq (process 12)", {
      hint: "stop it",
    });
    const check = find(head({ ports: [{ service: "dhcp", port: 67, problem }] }), "port 67");
    assert.deepEqual(check, { name: "port 67", state: "fail", detail: problem.message, fix: "stop it" });
  });
  it("a port that our own head holds", () => {
    const problem = new AppError("environment", "port 67 is taken by node (process 4711)");
    const part = { name: "dhcp", state: "running", detail: "", counters: {} } as const;
    const store = { status: { ...status, running: true, parts: [part] }, images: [image] };
    const checks = head({ ports: [{ service: "dhcp", port: 67, problem }], store });
    assert.deepEqual(find(checks, "port 67"), {
      name: "port 67",
      state: "ok",
      detail: "held by the head for dhcp",
    });
    assert.equal(find(checks, "head").state, "ok");
  });
  it("a port that we may not even try", () => {
    const problem = new AppError("environment", "not allowed to open 0.0.0.0:67 on eth1: EPERM");
    assert.equal(find(head({ ports: [{ service: "dhcp", port: 67, problem }] }), "port 67").state, "warn");
  });
  it("little space, or none that is known", () => {
    const little = find(head({ freeBytes: () => 1024 ** 3 }), "image store space");
    assert.equal(little.state, "warn");
    assert.match(little.detail, /only 1\.0 GiB free in \/var\/lib\/provision\/images; 4\.0 GiB are wanted/);
    assert.equal(find(head({ freeBytes: () => undefined }), "state space").state, "warn");
  });
  it("another DHCP server is needed where the head gives out no addresses", () => {
    const beside = { ...config, dhcp: { ...config.dhcp, mode: "proxy" as const } };
    const check = (otherServers: readonly string[]): Check =>
      find(headChecks(beside, { ...sound, otherServers }), "other DHCP servers");
    assert.equal(check(["10.0.1.254"]).state, "ok");
    assert.equal(check([]).state, "warn");
    assert.match(check([]).detail, /gives out no addresses/);
  });

  it("other DHCP servers, when they were asked for", () => {
    assert.ok(!head({}).some(({ name }) => name === "other DHCP servers"));
    assert.equal(find(head({ otherServers: [] }), "other DHCP servers").state, "ok");
    const check = find(head({ otherServers: ["10.0.1.254"] }), "other DHCP servers");
    assert.equal(check.state, "fail");
    assert.match(check.detail, /^10\.0\.1\.254 gives out addresses on eth1 too/);
  });
  it("a database that is not sound", () => {
    const problem = new AppError("environment", "the database is malformed", { hint: "restore a backup" });
    const check = find(head({ store: { problem } }), "database");
    assert.deepEqual(check, {
      name: "database",
      state: "fail",
      detail: problem.message,
      fix: "restore a backup",
    });
  });
  it("a part of the head that is not well", () => {
    const part = { name: "nfs", state: "backing-off", detail: "died 3 times", counters: {} } as const;
    const store = { status: { ...status, running: true, parts: [part] }, images: [image] };
    assert.deepEqual(find(head({ store }), "head: nfs"), {
      name: "head: nfs",
      state: "fail",
      detail: "died 3 times",
      fix: "provision status",
    });
  });
  const images: readonly (readonly [string, readonly Partial<ImageVersion>[], Check["state"]])[] = [
    ["debian-13", [image], "ok"],
    ["debian-13", [{ ...image, current: false }], "fail"],
    ["debian-13", [], "fail"],
    ["debian-13@20261122-3f9a1c04", [{ ...image, current: false }], "ok"],
    ["debian-13@20261122-ffffffff", [image], "fail"],
  ];
  for (const [wanted, there, state] of images) {
    it(`image ${wanted} with ${there.length} in the store: ${state}`, () => {
      const store = { status, images: there as ImageVersion[] };
      assert.equal(find(head({ store }, { image: wanted }), "image").state, state);
    });
  }
});
