import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { EventAnswer } from "../../server/model/answers.ts";
import { eventsUntil, startFirmwareMachine } from "../support/firmware-machine.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:42";

test(
  "Secure Boot: a node whose group has shim starts it, the signed GRUB and the signed kernel, which says so",
  { timeout: 240_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [] });
    t.after(rack.dispose);
    const head = createHeadProcess(rack, directory, {
      loaderDirectory: "/usr/lib/ipxe",
      imageStore: "/var/lib/provision/images",
    });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    for (const argv of [
      ["add-group", "secure", "--loader", "shim", "--kernel-argument", "console=ttyS0"],
      ["add-node", "n001", "--mac", mac, "--group", "secure"],
    ]) {
      const { exitCode, stderr } = await head.provision(...argv);
      assert.equal(exitCode, 0, stderr);
    }
    const { head: host } = rack;
    const machine = { mac, host, bridge: host.device, directory, memoryMebibytes: 768 };
    await startFirmwareMachine(rack, { ...machine, boots: "secure" });
    const print = (event: EventAnswer): string =>
      event.kind === "loader" ? `loader ${event.file} ${event.via}` : event.kind;
    const seen = await eventsUntil(head, "overlay", print, 150, "n001");
    assert.deepEqual(
      [...new Set(seen)].filter((kind) => kind !== "offered"),
      ["loader shimx64.efi tftp", "loader grubx64.efi tftp", "script", "kernel", "initrd", "overlay"],
    );
    const console = join(directory, mac, "console.log");
    const deadline = Date.now() + 60_000;
    while (!/secureboot: Secure boot enabled/.test(readFileSync(console, "utf8"))) {
      assert.ok(Date.now() < deadline, readFileSync(console, "utf8").slice(-2000));
      await delay(500);
    }
  },
);
