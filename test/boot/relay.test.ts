import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { eventsUntil, type FirmwareMachine, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess, type HeadProcess } from "../support/head-process.ts";
import { createRack, type Rack } from "../support/netns.ts";

/**
 * Machines that reach the head only through a router with ISC's dhcrelay, which adds option 82 and brings back only replies
 * that have it again: by two networks, each with a switch of its own.
 */
describe("behind a relay", () => {
  const directory = mkdtempSync(join(tmpdir(), "boot-relay-"));
  let rack: Rack;
  let head: HeadProcess;

  before(async () => {
    rack = await createRack({ clients: [{ name: "relay", address: "10.77.0.254/24" }] });
    await startRelay(rack);
    head = createHeadProcess(rack, directory, {
      loaderDirectory: "/usr/lib/ipxe",
      imageStore: "/var/lib/provision/images",
    });
    const networks = [
      "{ subnet: 10.78.0.0/24, router: 10.78.0.1, wire: far }",
      "{ subnet: 10.79.0.0/24, router: 10.79.0.1, wire: farther }",
    ];
    appendFileSync(head.config, `networks: [${networks.join(", ")}]\n`);
    await head.start();
  });

  after(async () => {
    await head?.stop("SIGKILL");
    await rack?.dispose();
    rmSync(directory, { recursive: true, force: true });
  });

  const start = (
    machine: Pick<FirmwareMachine, "mac" | "boots" | "bridge">,
  ): ReturnType<typeof startFirmwareMachine> =>
    startFirmwareMachine(rack, { ...machine, host: rack.client("relay"), directory, memoryMebibytes: 640 });

  it(
    "BIOS with a plain PXE ROM and UEFI PXE take their loaders by TFTP from beyond the router, and begin to boot",
    { timeout: 200_000 },
    async () => {
      const machines = [
        { name: "n002", ip: "10.79.0.12", mac: "52:54:00:79:00:02", boots: "bios", firmware: "bios" },
        { name: "n003", ip: "10.79.0.13", mac: "52:54:00:79:00:03", boots: "pxe", firmware: "uefi-x64" },
      ] as const;
      for (const { name, ip, mac } of machines) await addNode(name, "--ip", ip, "--mac", mac);
      const started = await Promise.all(
        machines.map(({ mac, boots }) => start({ mac, boots, bridge: "farther" })),
      );
      for (const { name, ip, boots, firmware } of machines) {
        const seen = await eventsUntil(head, "kernel", print, 150, name);
        assert.deepEqual([...new Set(seen)].slice(0, 5), [
          `offered ${ip} firmware ${firmware}`,
          `loader ${boots === "bios" ? "undionly.kpxe" : "snponly.efi"} tftp`,
          `offered ${ip} ipxe ${firmware}`,
          "script",
          "kernel",
        ]);
      }
      await Promise.all(started.map((machine) => machine.switchOff()));
    },
  );

  it(
    "UEFI HTTP Boot: a machine known by its relay port is up, with its root from the head",
    { timeout: 300_000 },
    async () => {
      await addNode("n001", "--ip", "10.78.0.11", "--relay-port", "10.78.0.1/far");
      await start({ mac: "52:54:00:78:00:43", boots: "http", bridge: "far" });
      const seen = await eventsUntil(head, "up", print, 250, "n001");
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

  async function addNode(...argv: string[]): Promise<void> {
    const added = await head.provision("add-node", ...argv);
    assert.equal(added.exitCode, 0, added.stderr);
  }
});

/** A router between the head's network and two others, 10.78.0.0/24 and 10.79.0.0/24, whose switches are its bridges. */
async function startRelay(rack: Rack): Promise<void> {
  const relay = rack.client("relay");
  const commands = [
    ...["far 10.78.0.1/24", "farther 10.79.0.1/24"].flatMap((bridge) => {
      const [name, address] = bridge.split(" ");
      return [
        `ip link add ${name} type bridge forward_delay 0 stp_state 0`,
        `ip address add ${address} dev ${name}`,
        `ip link set ${name} up`,
      ];
    }),
    "sysctl -qw net.ipv4.ip_forward=1",
  ];
  for (const command of commands) await rack.exec(relay, command.split(" "));
  for (const subnet of ["10.78.0.0/24", "10.79.0.0/24"]) {
    await rack.exec(rack.head, `ip route add ${subnet} via 10.77.0.254`.split(" "));
  }
  rack.spawn(relay, "dhcrelay -4 -d --no-pid -a -id far -id farther -iu eth0 10.77.0.1".split(" "));
}

function print(event: EventAnswer): string {
  if (event.kind === "offered") return `offered ${event.ip} ${event.client} ${event.firmware}`;
  if (event.kind === "loader") return `loader ${event.file} ${event.via}`;
  return event.kind;
}
