import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { test } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack, type Rack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:78:00:43";

/** A router with ISC's dhcrelay between the head's network and 10.78.0.0/24, whose switch is its bridge `far`. */
async function startRelay(rack: Rack): Promise<void> {
  const relay = rack.client("relay");
  const commands = [
    "ip link add far type bridge forward_delay 0 stp_state 0",
    "ip address add 10.78.0.1/24 dev far",
    "ip link set far up",
    "sysctl -qw net.ipv4.ip_forward=1",
  ];
  for (const command of commands) await rack.exec(relay, command.split(" "));
  await rack.exec(rack.head, "ip route add 10.78.0.0/24 via 10.77.0.254".split(" "));
  rack.spawn(relay, "dhcrelay -4 -d --no-pid -a -id far -iu eth0 10.77.0.1".split(" "));
}

test(
  "UEFI HTTP Boot behind a relay: a machine known by its relay port is up, with its root from the head",
  { timeout: 300_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [{ name: "relay", address: "10.77.0.254/24" }] });
    t.after(rack.dispose);
    await startRelay(rack);
    const head = createHeadProcess(rack, directory, {
      loaderDirectory: "/usr/lib/ipxe",
      imageStore: "/var/lib/provision/images",
    });
    appendFileSync(head.config, "networks: [{ subnet: 10.78.0.0/24, router: 10.78.0.1, wire: far }]\n");
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    const added = await head.provision(
      "add-node",
      "n001",
      "--ip",
      "10.78.0.11",
      "--relay-port",
      "10.78.0.1/far",
    );
    assert.equal(added.exitCode, 0, added.stderr);
    const relay = rack.client("relay");
    const machine = { mac, host: relay, bridge: "far", directory, memoryMebibytes: 640 };
    await startFirmwareMachine(rack, { ...machine, boots: "http" });
    const print = (event: EventAnswer): string => {
      if (event.kind === "offered") return `offered ${event.ip} ${event.client} ${event.firmware}`;
      if (event.kind === "loader") return `loader ${event.file} ${event.via}`;
      return event.kind;
    };
    const seen = await eventsUntil(head, "up", print, 250);
    assert.deepEqual([...new Set(seen)].slice(0, 5), [
      "offered 10.78.0.11 firmware uefi-x64-http",
      "loader snponly.efi http",
      "offered 10.78.0.11 ipxe uefi-x64",
      "script",
      "kernel",
    ]);
    const { stdout } = await head.provision("list-nodes");
    assert.match(stdout, /n001 .*up/);
  },
);
