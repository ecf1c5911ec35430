import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { encode } from "../../server/dhcp/encode.ts";
import { DhcpHead } from "../support/dhcp-head.ts";
import { ask, goldenPacket, ip, ownNetwork } from "../support/dhcp-scene.ts";
import { type Rack, type RackHost, createRack, withRack } from "../support/netns.ts";

/**
 * Independent DHCP clients against our server, each in a namespace of its own: ISC dhclient, busybox udhcpc, dhcpcd,
 * systemd-networkd and the npm package `dhcp`. Needs root and Debian's isc-dhcp-client, udhcpc, dhcpcd-base, systemd,
 * tcpdump and iproute2.
 */
const place = mkdtempSync(join(tmpdir(), "dhcp-clients-"));
/** Short, so that clients which renew only when it is time do so at once: half of it. */
const leaseSeconds = 8;

after(() => rmSync(place, { recursive: true, force: true }));

type Running = ReturnType<Rack["spawn"]>;

/** A client as a program that stays until it has given its address back. */
type ClientProgram = {
  start: (rack: Rack, host: RackHost) => Running;
  /** Left out: it renews when it is time. */
  renew?: (client: Running) => void;
  release: (rack: Rack, host: RackHost, client: Running) => unknown;
};

async function hasEnded(client: Running, withinMs: number): Promise<boolean> {
  const ends = client.then(() => true);
  return await Promise.race([ends, delay(withinMs, false, { ref: false })]);
}

/** A folder of its own for each host. */
function folderOf(host: RackHost): string {
  const folder = join(place, host.namespace);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Sets the address as the client's own script would; without the rest of what such scripts do to a machine. */
const script = join(place, "set-address");
writeFileSync(
  script,
  `#!/bin/sh
case "$1$reason" in
  bound|BOUND|REBOOT) ip address replace "\${ip:-$new_ip_address}/24" dev eth0 ;;
esac
`,
  { mode: 0o755 },
);

function dhclientArguments(host: RackHost): string[] {
  const folder = folderOf(host);
  writeFileSync(join(folder, "conf"), 'send host-name "from-dhclient";\n');
  const files = ["-cf", join(folder, "conf"), "-lf", join(folder, "leases"), "-pf", join(folder, "pid")];
  return ["-4", "-d", "-sf", script, ...files, "eth0"];
}

/** With file systems of its own where the program keeps state by interface name, which is `eth0` everywhere. */
function withPrivate(folders: readonly string[], command: string): string[] {
  const mounts = folders.map((folder) => `mkdir -p ${folder} && mount -t tmpfs tmpfs ${folder}`);
  return ["unshare", "--mount", "sh", "-c", [...mounts, command].join(" && ")];
}

const network = "[Match]\\nName=eth0\\n[Network]\\nDHCP=ipv4\\nLinkLocalAddressing=no\\nIPv6AcceptRA=no\\n";

const programs: Record<string, ClientProgram> = {
  udhcpc: {
    start: (rack, host) =>
      rack.spawn(host, ["udhcpc", "-i", "eth0", "-f", "-s", script, "-x", "hostname:from-udhcpc"]),
    renew: (client) => client.kill("SIGUSR1"),
    release: (_rack, _host, client) => client.kill("SIGUSR2"),
  },
  dhclient: {
    start: (rack, host) => rack.spawn(host, ["dhclient", ...dhclientArguments(host)]),
    release: (rack, host) => rack.exec(host, ["dhclient", "-r", ...dhclientArguments(host)]),
  },
  dhcpcd: {
    start: (rack, host) =>
      rack.spawn(
        host,
        withPrivate(
          ["/run/dhcpcd", "/var/lib/dhcpcd"],
          // Not asking by ARP whether the address is free, and no scripts: five seconds and the host's files saved.
          "exec dhcpcd --ipv4only --nobackground --noarp --script /bin/true eth0",
        ),
      ),
    renew: (client) => client.kill("SIGUSR1"),
    // dhcpcd 9.4 loses a signal that comes while it handles another.
    release: async (_rack, _host, client) => {
      for (let ended = false; !ended; ended = await hasEnded(client, 1000)) client.kill("SIGALRM");
    },
  },
  "systemd-networkd": {
    // A read-only /sys tells it that no udev will ever call a link ready; without D-Bus it works as well.
    start: (rack, host) =>
      rack.spawn(
        host,
        withPrivate(
          ["/run/systemd"],
          `mount -o remount,ro /sys && mkdir /run/systemd/network && chmod 755 /run/systemd &&
           printf '${network}' > /run/systemd/network/eth0.network && exec /lib/systemd/systemd-networkd`,
        ),
      ),
    release: (_rack, _host, client) => client.kill("SIGTERM"),
  },
};

const names = Object.keys(programs);
const knownName = (name: string): string => `${name}-known`;
const newName = (name: string): string => `${name}-new`;

describe("clients", { concurrency: true }, () => {
  let rack: Rack;
  let head: DhcpHead;

  before(async () => {
    rack = await createRack({ clients: names.flatMap((name) => [knownName(name), newName(name)]) });
    const nodes = names.map((name, index) => ({
      name: `n00${index}`,
      ip: `10.77.0.1${index}`,
      macs: ["52:54:00:99:99:99", rack.client(knownName(name)).mac],
    }));
    const pools = [{ from: ip("10.77.0.200"), to: ip("10.77.0.220") }];
    const networks = [{ ...ownNetwork, leaseSeconds, pools }] as const;
    head = await DhcpHead.start(rack, { device: rack.head.device, site: { networks }, nodes });
  });

  after(async () => {
    await rack?.dispose();
  });

  async function addressesOf(host: RackHost): Promise<string> {
    return (await rack.exec(host, ["ip", "-4", "-br", "address", "show", "eth0"])).stdout;
  }

  /** From the first DISCOVER to the RELEASE; the address it was given. */
  async function lifeOf(
    program: ClientProgram,
    host: RackHost,
  ): Promise<{ address: string; hostname?: string }> {
    const bound = head.lease(host.mac, "bound");
    const client = program.start(rack, host);
    const lease = await bound;
    const renewed = head.lease(host.mac, "bound");
    // The client sets the address itself; until it has, it cannot be told to renew.
    while (!(await addressesOf(host)).includes(`${lease.ip}/24`)) await delay(100);
    program.renew?.(client);
    const later = await renewed;
    assert.equal(later.ip, lease.ip);
    assert.ok(later.expiresAtMs > lease.expiresAtMs);
    assert.equal(later.startedAtMs, lease.startedAtMs);
    const released = head.lease(host.mac, "released");
    await program.release(rack, host, client);
    assert.equal((await released).ip, lease.ip);
    return { address: lease.ip, ...(lease.hostname === undefined ? {} : { hostname: lease.hostname }) };
  }

  for (const [index, name] of Object.keys(programs).entries()) {
    const program = programs[name];
    assert.ok(program);
    it(`${name}: a node's reserved address, renewed and given back`, { timeout: 60_000 }, async () => {
      const life = await lifeOf(program, rack.client(knownName(name)));
      assert.deepEqual(life, { address: `10.77.0.1${index}`, hostname: `n00${index}` });
    });

    it(`${name}: an address of the pool, renewed and given back`, { timeout: 60_000 }, async () => {
      const life = await lifeOf(program, rack.client(newName(name)));
      assert.match(life.address, /^10\.77\.0\.2\d\d$/);
    });
  }
});

/**
 * The npm package takes any reply it hears for its own, whatever the transaction number: it is alone on its network. It can
 * neither renew nor release: both throw `Unknown config key server` in its version 0.2.20.
 */
async function npmLease(
  nodes: "known" | "new",
): Promise<{ address: string; options: Record<string, unknown> }> {
  return withRack({ clients: ["npm"] }, async (rack) => {
    const host = rack.client("npm");
    const known = [{ name: "n004", ip: "10.77.0.14", macs: [host.mac] }];
    const networks = [
      { ...ownNetwork, pools: [{ from: ip("10.77.0.200"), to: ip("10.77.0.220") }] },
    ] as const;
    await DhcpHead.start(rack, {
      device: rack.head.device,
      // It has an ordinary socket, which hears nothing that is sent to an address it does not have yet, and does not say so.
      broadcast: "always",
      site: { networks },
      nodes: nodes === "known" ? known : [],
    });
    // Having no address yet, Linux has no route for its broadcasts.
    await rack.exec(host, ["ip", "route", "add", "default", "dev", "eth0"]);
    const driver = join(import.meta.dirname, "../support/dhcp-npm-driver.ts");
    const { stdout } = await rack.exec(host, [process.execPath, "--no-deprecation", driver, host.mac]);
    return JSON.parse(stdout) as { address: string; options: Record<string, unknown> };
  });
}

it("npm dhcp: a node's reserved address with its name", { timeout: 60_000 }, async () => {
  const lease = await npmLease("known");
  assert.equal(lease.address, "10.77.0.14");
  assert.equal(lease.options["hostname"], "n004");
  assert.equal(lease.options["domainName"], "rack.test");
  assert.equal(lease.options["netmask"], "255.255.255.0");
});

it("npm dhcp: an address of the pool", { timeout: 60_000 }, async () => {
  assert.match((await npmLease("new")).address, /^10\.77\.0\.2\d\d$/);
});

it(
  "a head with three interfaces, told to serve one: not one packet of its DHCP leaves by the other two",
  { timeout: 60_000 },
  async () => {
    const networks = ["br0", "br1", "br2"].map((name, index) => ({
      name,
      address: `10.${77 + index}.0.1/24`,
    }));
    const clients = networks.map(({ name }) => ({ name: `on-${name}`, network: name }));
    await withRack({ clients, networks }, async (rack) => {
      const head = await DhcpHead.start(rack, { device: "br0" });
      const captures = await Promise.all(["br1", "br2"].map((device) => capture(rack, device)));
      const joined = await Promise.all(clients.map(({ name }) => joins(rack, rack.client(name))));
      assert.deepEqual(joined, [true, false, false]);
      // Also by unicast to the served address, which the head's kernel accepts by any interface.
      const stranger = rack.client("on-br1");
      await rack.exec(stranger, ["ip", "address", "add", "10.78.0.5/24", "dev", "eth0"]);
      await rack.exec(stranger, ["ip", "route", "add", "10.77.0.1", "via", "10.78.0.1"]);
      const packets = [
        goldenPacket("networkd-discover"),
        encode(ask("INFORM", { mac: "52:54:00:00:00:0a", ciaddr: ip("10.77.0.50") })).bytes,
        encode(ask("DISCOVER", { mac: "52:54:00:00:00:0a", giaddr: ip("10.77.0.50") })).bytes,
      ];
      for (const [index, bytes] of packets.entries()) {
        const file = join(place, `stranger-${index}`);
        writeFileSync(file, bytes);
        await rack.exec(stranger, ["bash", "-c", `cat ${file} > /dev/udp/10.77.0.1/67`]);
      }
      // A last exchange on the served network: whatever the head had to say to the others, it has said before this.
      assert.equal(await joins(rack, rack.client("on-br0")), true);
      for (const [index, stop] of captures.entries()) {
        const seen = await stop();
        assert.ok(
          seen.some((line) => line.includes(".67: ")),
          `the capture on br${index + 1} sees requests`,
        );
        assert.deepEqual(
          seen.filter((line) => /\.67 > /.test(line)),
          [],
        );
      }
      const counters = await head.stop();
      assert.deepEqual(counters, {
        received: 4,
        "received.DISCOVER": 2,
        "sent.OFFER": 2,
        "received.REQUEST": 2,
        "sent.ACK": 2,
      });
    });
  },
);

/** Three DISCOVERs a second apart; whether it was given an address. */
async function joins(rack: Rack, host: RackHost): Promise<boolean> {
  const argv = ["udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", "3", "-T", "1", "-s", "/bin/true"];
  return (await rack.exec(host, argv, { reject: false })).exitCode === 0;
}

/** Captures DHCP on a device of the head; stop it to get a line for each packet. */
async function capture(rack: Rack, device: string): Promise<() => Promise<string[]>> {
  const argv = [
    "tcpdump",
    "-n",
    "-l",
    "--immediate-mode",
    "-i",
    device,
    "udp port 67 or udp port 68 or udp port 4011",
  ];
  const child = rack.spawn(rack.head, argv);
  const listening = new Promise<void>((resolve) => {
    child.stderr?.on("data", (text) => String(text).includes("listening on") && resolve());
  });
  await Promise.race([listening, child]);
  return async () => {
    child.kill("SIGINT");
    return String((await child).stdout).split("\n");
  };
}
