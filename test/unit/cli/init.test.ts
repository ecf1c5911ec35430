import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { loadConfig } from "../../../server/config/load.ts";
import type { MachineNetwork } from "../../../server/config/machine.ts";
import { flagOfKey, valuesOf } from "../../../server/cli/init-values.ts";
import { flagsOf, proposals, proposalsOf } from "../../../server/cli/proposal.ts";
import { AppError } from "../../../server/lib/errors.ts";
import { headDirectory, provision } from "./fake-head.ts";

function machine(interfaces: Readonly<Record<string, readonly string[]>>): MachineNetwork {
  const entries = Object.entries(interfaces).map(([name, cidrs]) => [
    name,
    cidrs.map((cidr) => ({ address: cidr.split("/")[0] ?? "", cidr })),
  ]);
  return {
    interfaces: Object.fromEntries(entries),
    ipv6: {},
    macs: {},
    exists: (name) => name in interfaces,
  };
}

describe("proposals of init", () => {
  it("are private addresses of interfaces that may lead to a rack", () => {
    const found = proposals(
      machine({
        lo: ["127.0.0.1/8"],
        eth0: ["203.0.113.9/24", "2001:db8::1/64"],
        eth1: ["10.0.1.1/24"],
        eth2: ["172.20.0.5/16", "192.168.7.3/26"],
        docker0: ["172.17.0.1/16"],
      }),
    );
    assert.deepEqual(found.map(flagsOf), [
      "--interface eth1 --address 10.0.1.1 --subnet 10.0.1.0/24 --pool 10.0.1.200-10.0.1.250",
      "--interface eth2 --address 172.20.0.5 --subnet 172.20.0.0/16 --pool 172.20.200.0-172.20.250.0",
      "--interface eth2 --address 192.168.7.3 --subnet 192.168.7.0/26 --pool 192.168.7.50-192.168.7.62",
    ]);
  });
  it("keep the pool away from the head's own address", () => {
    const [proposal] = proposalsOf("eth1", machine({ eth1: ["10.0.1.220/24"] }));
    assert.equal(proposal?.pool, "10.0.1.140-10.0.1.190");
  });
  it("an interface without a usable address gives none", () => {
    assert.deepEqual(proposalsOf("eth1", machine({ eth1: ["10.0.0.1/32", "fe80::1/64"] })), []);
    assert.deepEqual(proposalsOf("eth9", machine({})), []);
  });
});

describe("values of init", () => {
  const proposal = {
    interface: "eth1",
    address: "10.0.1.1",
    subnet: "10.0.1.0/24",
    pool: "10.0.1.200-10.0.1.250",
  };
  it("flags go before what the machine tells", () => {
    const values = valuesOf(
      {
        pool: "10.0.1.100-10.0.1.110",
        httpPort: 8000,
        authorizedKey: ["k"],
        nfsBackend: "ganesha",
        tftpSinglePort: true,
      },
      proposal,
    );
    assert.deepEqual(values, {
      ...proposal,
      pool: "10.0.1.100-10.0.1.110",
      ports: { http: 8000 },
      authorizedKeys: ["k"],
      nfsBackend: "ganesha",
      tftpSinglePort: true,
    });
  });
  it("a subnet that was told has a pool of its own", () => {
    const values = valuesOf({ interface: "eth1", address: "10.5.0.1", subnet: "10.5.0.0/16" }, proposal);
    assert.equal(values.pool, "10.5.200.0-10.5.250.0");
  });
  it("beside another DHCP server there is no pool, unless one is told, which is refused later", () => {
    const { pool, ...others } = proposal;
    assert.deepEqual(valuesOf({ proxy: true }, proposal), { ...others, dhcpMode: "proxy" });
    assert.deepEqual(valuesOf({ proxy: true, pool }, proposal), { ...proposal, dhcpMode: "proxy" });
  });
  it("all that is still needed is named at once", () => {
    assert.throws(
      () => valuesOf({ interface: "eth1" }, undefined),
      (error: unknown) => {
        assert.ok(error instanceof AppError && error.code === "invalid");
        assert.deepEqual(
          error.faults.map(({ place }) => place),
          ["--address", "--subnet", "--pool"],
        );
        return true;
      },
    );
  });
  it("faults name the flag to change", () => {
    for (const [place, flag] of [
      ["/etc/p.yaml:3: pool", "--pool"],
      ["/etc/p.yaml:9: ports.http", "--http-port"],
      ["/etc/p.yaml:9: ports.bootServer", "--boot-server-port"],
      ["/etc/p.yaml:9: dhcp.mode", "--proxy"],
      ["/etc/p.yaml:9: nfs.backend", "--nfs-backend"],
      ["/etc/p.yaml:9: tftp.singlePort", "--tftp-single-port"],
      ["/etc/p.yaml:9: authorizedKeys.0", "--authorized-key"],
      ["/etc/p.yaml:9: dns.1", "--dns"],
      ["/etc/p.yaml: leaseSeconds", "--lease-seconds"],
    ] as const) {
      assert.equal(flagOfKey(place), flag);
    }
  });
});

/** Every machine has it, with 127.0.0.1/8. */
const own = "lo";

describe("provision init", { concurrency: 2 }, () => {
  const place = (context: TestContext): { file: string; flags: string[]; directory: string } => {
    const { directory } = headDirectory(context);
    const file = join(directory, "etc", "head.yaml");
    const below = (name: string): string => join(directory, name);
    const flags = ["--config", file, "--state-directory", below("state"), "--image-store", below("images")];
    return {
      directory,
      file,
      flags: [...flags, "--shared-directory", below("shared"), "--socket", below("s")],
    };
  };

  it("writes a configuration that loads, its directories and its database", async (context) => {
    const { directory, file, flags } = place(context);
    const words = ["init", "--interface", own, ...flags, "--dns", "10.0.0.2,10.0.0.3", "--http-port", "8081"];
    const { status, stdout, stderr } = await provision(words);
    assert.equal(stderr, "");
    assert.equal(status, 0);
    assert.match(stdout, /are ready\.\nNext:\n {2}provision build-image debian-13 /);
    const config = loadConfig(file);
    assert.equal(config.interface, own);
    assert.deepEqual(
      [config.networks[0].dns, config.ports.http, config.stateDirectory],
      [["10.0.0.2", "10.0.0.3"], 8081, join(directory, "state")],
    );
    assert.equal(statSync(file).mode & 0o777, 0o644);
    for (const made of ["state/provision.db", "images", "shared"])
      assert.ok(existsSync(join(directory, made)), made);

    writeFileSync(file, `${readFileSync(file, "utf8")}# mine\n`);
    const again = await provision(words);
    assert.match(again.stderr, /^provision: .* exists\ntry: --force overwrites it/);
    assert.equal(again.status, 1);
    assert.match(readFileSync(file, "utf8"), /# mine/);
    assert.equal((await provision([...words, "--force"])).status, 0);
    assert.doesNotMatch(readFileSync(file, "utf8"), /# mine/);
  });

  it("--proxy writes a head that gives out no addresses, and has no use for a pool", async (context) => {
    const { file, flags } = place(context);
    const words = ["init", "--interface", own, "--proxy", ...flags];
    const both = await provision([...words, "--pool", "127.0.9.1-127.0.9.9"]);
    assert.match(both.stderr, /^ {2}--pool: has no use with dhcp\.mode proxy/m);
    assert.equal((await provision(words)).status, 0);
    const config = loadConfig(file);
    assert.equal(config.dhcp.mode, "proxy");
    assert.deepEqual(config.networks[0].pools, []);
  });

  it("--dry-run prints the file and writes nothing", async (context) => {
    const { directory, file, flags } = place(context);
    const { status, stdout } = await provision(["init", "--interface", own, ...flags, "--dry-run"]);
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`^interface: ${own}$`, "m"));
    assert.ok(!existsSync(file) && !existsSync(join(directory, "state")));
  });

  it("tells every wrong value by its flag, and writes nothing", async (context) => {
    const { file, flags } = place(context);
    const wrong = [
      "--interface",
      own,
      "--address",
      "10.0.1.300",
      "--subnet",
      "10.0.1.0/24",
      "--pool",
      "10.0.2.1-10.0.2.9",
    ];
    const { status, stderr } = await provision(["init", ...flags, ...wrong, "--nfs-backend", "smb"]);
    for (const flag of ["--address", "--pool", "--nfs-backend"])
      assert.match(stderr, new RegExp(`^  ${flag}: `, "m"));
    assert.equal(status, 2);
    assert.ok(!existsSync(file));
  });

  it("an interface that is not there", async (context) => {
    const { file, flags } = place(context);
    const network = ["--address", "10.0.1.1", "--subnet", "10.0.1.0/24"];
    const { status, stderr } = await provision(["init", "--interface", "nope0", ...network, ...flags]);
    assert.match(stderr, /^provision: --interface: there is no nope0; this machine has /);
    assert.equal(status, 2);
    assert.ok(!existsSync(file));
  });

  it("without a terminal it does not guess the interface", async (context) => {
    const { file, flags } = place(context);
    const { status, stderr } = await provision(["init", ...flags]);
    assert.match(stderr, /^provision: --interface: is needed: which network/);
    assert.equal(status, 2);
    assert.ok(!existsSync(file));
  });
});
