import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { imageStore } from "../support/boot-lab.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:45";

test(
  "UEFI PXE over IPv6 takes its loader by TFTP from the head's IPv6 address, which goes on to its script, kernel and initrd",
  { timeout: 300_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [] });
    t.after(rack.dispose);
    const { head: host } = rack;
    await rack.exec(host, ["ip", "address", "add", "fd77::1/64", "dev", host.device, "nodad"]);
    const head = createHeadProcess(rack, directory, {
      ipv6: { address: "fd77::1" },
      loaderDirectory: "/usr/lib/ipxe",
      imageStore,
    });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    const machine = { mac, host, bridge: host.device, directory, memoryMebibytes: 640 };
    await startFirmwareMachine(rack, { ...machine, boots: "pxe6" });
    const print = (event: EventAnswer): string => {
      if (event.kind === "offered")
        return `offered ${event.client} ${event.ip?.includes(":") === true ? 6 : 4}`;
      if (event.kind === "loader") return `loader ${event.file} ${event.via}`;
      if (event.kind === "script") return `script ${event.known ? "known" : "unknown"}`;
      return "via" in event ? `${event.kind} ${event.via}` : event.kind;
    };
    const unless = (seen: readonly string[]): string[] =>
      [...new Set(seen)].filter((text) => !text.startsWith("offered ipxe"));
    const before = unless(await eventsUntil(head, "script unknown", print, 150));
    assert.deepEqual(before, ["offered firmware 6", "loader snponly.efi tftp", "script unknown"]);
    // Its files are named by the address by which it asked.
    const { exitCode, stderr } = await head.provision("add-node", "n001", "--from-discovered", mac);
    assert.equal(exitCode, 0, stderr);
    const own = unless(await eventsUntil(head, "starting", print, 120));
    assert.deepEqual(own.slice(own.indexOf("script known"), own.indexOf("starting") + 1), [
      "script known",
      "kernel http",
      "initrd http",
      "overlay http",
      "offered system 4", // the root is by IPv4
      "starting",
    ]);
  },
);
