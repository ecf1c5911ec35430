import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventAnswer } from "../../server/model/answers.ts";
import { brokenImages, removeOldStores } from "../support/broken-images.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:44";

test(
  "BIOS with a plain PXE ROM takes PXELINUX, which waits for a machine that nobody knows, comes back from a kernel that is not there, and boots",
  { timeout: 300_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    removeOldStores();
    const images = await brokenImages();
    t.after(images.remove);
    const rack = await createRack({ clients: [] });
    t.after(rack.dispose);
    const head = createHeadProcess(rack, directory, {
      loader: "pxelinux",
      loaderDirectory: "/usr/lib/ipxe",
      imageStore: images.store,
    });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    const { head: host } = rack;
    const machine = { mac, host, bridge: host.device, directory, memoryMebibytes: 640 };
    await startFirmwareMachine(rack, { ...machine, boots: "bios" });
    const print = (event: EventAnswer): string => {
      if (event.kind === "script") return `script ${event.known ? "known" : "unknown"}`;
      return "via" in event ? `${event.kind} ${event.via}` : event.kind;
    };
    await eventsUntil(head, "script unknown", print, 90);
    const provision = async (...words: string[]): Promise<void> => {
      const { exitCode, stderr } = await head.provision(...words);
      assert.equal(exitCode, 0, stderr);
    };
    await provision("add-node", "n001", "--from-discovered", mac, "--image", "no-kernel");
    await eventsUntil(head, "refused", print, 60);
    await provision("set-node", "n001", "--image", "debian-13");
    const seen = new Set(await eventsUntil(head, "starting", print, 120));
    const own = [...seen].filter((text) => text !== "offered");
    assert.deepEqual(own.slice(0, own.indexOf("starting") + 1), [
      "loader tftp",
      "script unknown",
      "script known",
      "refused",
      "kernel http",
      "initrd http",
      "overlay http",
      "starting",
    ]);
  },
);
