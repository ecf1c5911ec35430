import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DhcpHead } from "../support/dhcp-head.ts";
import type { DhcpHeadArguments } from "../support/dhcp-head-driver.ts";
import { ip, networkOf, ownNetwork } from "../support/dhcp-scene.ts";
import { type Rack, type RackHost, createRack } from "../support/netns.ts";

/**
 * Clients behind a real relay, ISC's dhcrelay, which adds option 82 and forwards only replies that bring it back. The head
 * gives them addresses of their network and knows a machine by the relay's port alone. Needs root and Debian's
 * isc-dhcp-relay, isc-dhcp-client, udhcpc, tcpdump and iproute2.
 */
const place = mkdtempSync(join(tmpdir(), "dhcp-relay-"));
after(() => rmSync(place, { recursive: true, force: true }));

/** Sets the address and the route to the head as the client's own script would. */
const script = join(place, "set-address");
writeFileSync(
  script,
  `#!/bin/sh
case "$1$reason" in
  bound|BOUND|REBOOT)
    ip address replace "\${ip:-$new_ip_address}/24" dev eth0
    ip route replace default via "\${router:-$new_routers}" ;;
esac
`,
);
chmodSync(script, 0o755);

const far = networkOf("10.78.0.0/24", "far", {
  pools: [{ from: ip("10.78.0.200"), to: ip("10.78.0.220") }],
  router: ip("10.78.0.1"),
});

/** Its near port is `eth0` on the head's switch, its far one `eth1` on the clients'. */
async function startRelay(rack: Rack): Promise<void> {
  const relay = rack.client("relay");
  const port = ["name", "eth1", "netns", relay.namespace];
  await rack.exec(rack.head, ["ip", "link", "add", "farrelay", "type", "veth", "peer", ...port]);
  await rack.exec(rack.head, ["ip", "link", "set", "farrelay", "master", "far", "up"]);
  await rack.exec(relay, ["ip", "address", "add", "10.78.0.1/24", "dev", "eth1"]);
  await rack.exec(relay, ["ip", "link", "set", "eth1", "up"]);
  await rack.exec(relay, ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  await rack.exec(rack.head, ["ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.254"]);
  const child = rack.spawn(relay, "dhcrelay -4 -d --no-pid -a -id eth1 -iu eth0 10.77.0.1".split(" "));
  await saying(child, /Sending on +Socket/);
}

/** Resolves when the program has said it. */
async function saying(child: ReturnType<Rack["spawn"]>, wanted: RegExp): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      said += chunk.toString();
      if (wanted.test(said)) resolve();
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    void child.then(() => reject(new Error(`it ended: ${said}`)));
  });
}

describe("behind a relay", () => {
  let rack: Rack;
  let head: DhcpHead;

  const start = (nodes: DhcpHeadArguments["nodes"] = []): Promise<DhcpHead> =>
    DhcpHead.start(rack, {
      device: rack.head.device,
      site: { networks: [{ ...ownNetwork, pools: [] }, far] },
      nodes,
    });

  const udhcpc = (host: RackHost): ReturnType<Rack["spawn"]> =>
    rack.spawn(host, ["udhcpc", "-i", "eth0", "-f", "-R", "-s", script]);

  before(async () => {
    rack = await createRack({
      networks: [{ name: "br0", address: "10.77.0.1/24" }, { name: "far" }],
      clients: [
        { name: "relay", address: "10.77.0.254/24" },
        { name: "one", network: "far" },
        { name: "two", network: "far" },
      ],
    });
    await startRelay(rack);
    head = await start();
  });

  after(() => rack?.dispose());

  it("udhcpc gets, renews past the relay and gives back an address of its own network", async () => {
    const host = rack.client("one");
    const bound = head.lease(host.mac, "bound");
    const client = udhcpc(host);
    const lease = await bound;
    assert.match(lease.ip, /^10\.78\.0\.2[0-2]\d$/);
    await isSetUp(host, lease.ip);
    const renewed = head.lease(host.mac, "bound");
    client.kill("SIGUSR1");
    const again = await renewed;
    assert.equal(again.ip, lease.ip);
    assert.equal(again.startedAtMs, lease.startedAtMs, "the same lease goes on");
    const released = head.lease(host.mac, "released");
    client.kill("SIGTERM");
    assert.equal((await released).ip, lease.ip);
  });

  it("dhclient gets one too, and what the relay added is in the reply", async () => {
    const host = rack.client("two");
    const watch = rack.spawn(rack.head, "tcpdump -lnvv -c 4 -i br0 udp port 67".split(" "));
    await saying(watch, /listening on/);
    const bound = head.lease(host.mac, "bound");
    const files = ["-lf", join(place, "leases"), "-pf", join(place, "pid"), "-cf", "/dev/null"];
    const client = rack.spawn(host, ["dhclient", "-4", "-d", "-sf", script, ...files, "eth0"]);
    const lease = await bound;
    assert.match(lease.ip, /^10\.78\.0\.2[0-2]\d$/);
    await isSetUp(host, lease.ip);
    const { stdout } = await watch;
    const [, ...replies] = String(stdout).split(/BOOTP\/DHCP, Reply/);
    assert.equal(replies.length, 2, String(stdout));
    for (const reply of replies) assert.match(reply, /Circuit-ID SubOption 1, length 4: eth1/);
    client.kill("SIGTERM");
    await client;
  });

  it("whatever machine is on the relay's port is the node of that port", async () => {
    await head.stop();
    head = await start([{ name: "n9", ip: "10.78.0.9", macs: [], relayPort: "10.78.0.1/eth1" }]);
    const host = rack.client("one");
    const bound = head.lease(host.mac, "bound");
    const client = udhcpc(host);
    const lease = await bound;
    assert.deepEqual([lease.ip, lease.hostname], ["10.78.0.9", "n9"]);
    await isSetUp(host, lease.ip);
    const renewed = head.lease(host.mac, "bound");
    client.kill("SIGUSR1");
    assert.equal((await renewed).ip, "10.78.0.9", "also past the relay, where it says nothing of its port");
    client.kill("SIGTERM");
    await client;
  });

  /** The client's own script runs after the lease is durable. */
  async function isSetUp(host: RackHost, address: string): Promise<void> {
    const both = `ip address show eth0 | grep -qF '${address}/' && ip route show default | grep -q 'via 10.78.0.1'`;
    await rack.exec(host, ["timeout", "10", "sh", "-c", `until ${both}; do sleep 0.05; done`]);
  }
});
