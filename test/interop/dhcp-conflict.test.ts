import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { DhcpHeadArguments } from "../support/dhcp-head-driver.ts";
import { DhcpHead } from "../support/dhcp-head.ts";
import type { DhcpLoadArguments } from "../support/dhcp-load-driver.ts";
import { withRack } from "../support/netns.ts";
import { ip } from "../support/dhcp-scene.ts";

/** The pool is 10.77.0.200-202 (dhcp-scene.ts): somebody has typed in its first address by hand. */
const clients = [
  { name: "squatter", address: "10.77.0.200/24" },
  { name: "relay", address: "10.77.0.9/24" },
  { name: "a" },
  { name: "b" },
];
const head: DhcpHeadArguments = { device: "br0", probe: "auto" };

const udhcpc = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "6", "-T", "1", "-s", "/bin/true"];

test("a machine with an address of the pool that it did not get here is never collided with", async () => {
  await withRack({ clients }, async (rack) => {
    const served = await DhcpHead.start(rack, head);
    for (const [name, address] of [
      ["a", "10.77.0.201"],
      ["b", "10.77.0.202"],
    ] as const) {
      const { stdout, stderr } = await rack.exec(rack.client(name), udhcpc);
      assert.match(stdout + stderr, new RegExp(`lease of ${address} obtained`));
    }
    const told = served.lines.filter((line) => "event" in line && line.event.kind === "refused");
    assert.equal(told.length, 1, JSON.stringify(told));
    const counters = await served.stop();
    assert.equal(counters["probe.taken"], 1, JSON.stringify(counters));
  });
});

test("nor behind a relay, where it is asked for by ICMP", async () => {
  await withRack({ clients }, async (rack) => {
    const served = await DhcpHead.start(rack, head);
    const given: DhcpLoadArguments = {
      device: "eth0",
      relay: ip("10.77.0.9"),
      server: ip("10.77.0.1"),
      exchangesPerSecond: 4,
      clients: 1,
    };
    const driver = join(import.meta.dirname, "../support/dhcp-load-driver.ts");
    const clientsBehind = rack.spawn(rack.client("relay"), [process.execPath, driver, JSON.stringify(given)]);
    const lease = await served.lease("02:00:00:00:00:01", "bound");
    assert.equal(lease.ip, "10.77.0.201");
    clientsBehind.kill("SIGTERM");
    await clientsBehind;
    const counters = await served.stop();
    assert.equal(counters["probe.taken"], 1, JSON.stringify(counters));
  });
});
