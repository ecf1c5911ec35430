import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:46";
const uuid = "4c4c4544-0042-3510-8054-b7c04f4e3731";

test(
  "UEFI HTTP Boot by IPv6: a machine known by its UUID alone, which is in its DUID, takes loader and script",
  { timeout: 300_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [] });
    t.after(rack.dispose);
    const { head: host } = rack;
    await rack.exec(host, ["ip", "address", "add", "fd77::1/64", "dev", host.device, "nodad"]);
    // EDK2 tries IPv4 first, and has no switch for it: here nobody answers.
    const rules = "add table inet quiet; add chain inet quiet in { type filter hook input priority 0; }; ";
    await rack.exec(host, ["nft", `${rules} add rule inet quiet in udp dport 67 drop`]);
    const head = createHeadProcess(rack, directory, {
      loaderDirectory: "/usr/lib/ipxe",
      imageStore: "/var/lib/provision/images",
      ipv6: { address: "fd77::1" },
    });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    const added = await head.provision("add-node", "n001", "--uuid", uuid, "--ip", "10.77.0.11");
    assert.equal(added.exitCode, 0, added.stderr);
    const machine = { mac, uuid, host, bridge: host.device, directory, memoryMebibytes: 512 };
    await startFirmwareMachine(rack, { ...machine, boots: "http" });
    const print = (event: EventAnswer): string => {
      if (event.kind === "offered") return `offered ${event.ip} ${event.client} ${event.firmware}`;
      if (event.kind === "loader") return `loader ${event.file} ${event.via}`;
      return event.kind;
    };
    const seen = await eventsUntil(head, "script", print, 240, "n001");
    const ip = "fd77::1:5254:77:46";
    // EDK2 asks for an address once more, and does not say then what it is.
    const booting = seen.filter((line) => !line.includes("system"));
    assert.deepEqual([...new Set(booting)].slice(0, 4), [
      `offered ${ip} firmware uefi-x64-http`,
      "loader snponly.efi http",
      `offered ${ip} ipxe uefi-x64`,
      "script",
    ]);
  },
);
