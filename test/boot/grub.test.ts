import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:42";

test(
  "UEFI takes GRUB from the network, which waits for a machine that nobody knows, and boots it once it is a node",
  { timeout: 300_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [] });
    t.after(rack.dispose);
    const head = createHeadProcess(rack, directory, {
      loader: "grub",
      loaderDirectory: "/usr/lib/ipxe",
      imageStore: "/var/lib/provision/images",
    });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    const { head: host } = rack;
    const machine = { mac, host, bridge: host.device, directory, memoryMebibytes: 640 };
    await startFirmwareMachine(rack, { ...machine, boots: "pxe" });
    const print = (event: EventAnswer): string => {
      if (event.kind === "script") return `script ${event.known ? "known" : "unknown"}`;
      return "via" in event ? `${event.kind} ${event.via}` : event.kind;
    };
    await eventsUntil(head, "script unknown", print, 90);
    const added = await head.provision("add-node", "n001", "--from-discovered", mac);
    assert.equal(added.exitCode, 0, added.stderr);
    const seen = await eventsUntil(head, "starting", print, 150);
    const distinct = [...new Set(seen)].filter((kind) => kind !== "offered");
    const wanted = [
      "loader tftp",
      "script unknown",
      "script known",
      "kernel tftp",
      "initrd tftp",
      "overlay tftp",
      "starting",
    ];
    assert.deepEqual(distinct, wanted);
  },
);
