import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { uefiCode, uefiVariables } from "../../server/lab/firmware.ts";
import type { EventsAnswer } from "../../server/model/answers.ts";
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
    const { namespace, device } = rack.head;
    await execa("ip", ["-n", namespace, "tuntap", "add", "dev", "tap0", "mode", "tap"]);
    await execa("ip", ["-n", namespace, "link", "set", "tap0", "master", device, "up"]);
    const variables = join(directory, "vars.fd");
    copyFileSync(uefiVariables, variables);
    const flash = (file: string, more = ""): string => `-drive if=pflash,format=raw,file=${file}${more}`;
    const machine =
      "-machine q35 -accel tcg,tb-size=96 -cpu max,-la57 -m 640 -display none -vga none -nodefaults";
    const card = `-netdev tap,id=net0,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=net0,mac=${mac},romfile=`;
    const rest = `-device virtio-rng-pci -serial file:${join(directory, "console.log")}`;
    const firmware = `${flash(uefiCode, ",readonly=on")} ${flash(variables)}`;
    rack.spawn(rack.head, ["qemu-system-x86_64", ...`${machine} ${firmware} ${card} ${rest}`.split(" ")]);
    const kinds = async (): Promise<string[]> => {
      const { events } = JSON.parse((await head.provision("events", "--json")).stdout) as EventsAnswer;
      return events.map((event) => {
        if (event.kind === "script") return `script ${event.known ? "known" : "unknown"}`;
        return "via" in event ? `${event.kind} ${event.via}` : event.kind;
      });
    };
    const until = async (wanted: string, seconds: number): Promise<string[]> => {
      const deadline = Date.now() + seconds * 1000;
      let seen = await kinds();
      for (; !seen.includes(wanted) && Date.now() < deadline; seen = await kinds()) await delay(1000);
      assert.ok(seen.includes(wanted), `${wanted} not within ${seconds} s: ${seen.join(", ")}`);
      return seen;
    };
    await until("script unknown", 90);
    const added = await head.provision("add-node", "n001", "--from-discovered", mac);
    assert.equal(added.exitCode, 0, added.stderr);
    const seen = await until("starting", 150);
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
