import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import type { EventsAnswer } from "../../server/model/answers.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:41";

/**
 * Debian has no PXE ROM that is not iPXE, and iPXE says so in its user class. This one is told to say something else
 * and, as a plain ROM does, to take the file that DHCP names by TFTP, which then finds a PXE stack to run on.
 */
const plainRom = `#!ipxe
set user-class plain
ifconf --configurator dhcp net0 || shell
chain tftp://\${next-server}/\${filename} || shell
`;

test(
  "BIOS with a plain PXE ROM is given undionly.kpxe by TFTP, which asks again and is given a script",
  { timeout: 180_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [] });
    t.after(rack.dispose);
    const head = createHeadProcess(rack, directory, { loaderDirectory: "/usr/lib/ipxe" });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    const { namespace, device } = rack.head;
    await execa("ip", ["-n", namespace, "tuntap", "add", "dev", "tap0", "mode", "tap"]);
    await execa("ip", ["-n", namespace, "link", "set", "tap0", "master", device, "up"]);
    const script = join(directory, "plain.ipxe");
    writeFileSync(script, plainRom);
    const console = join(directory, "console.log");
    const machine = "-machine pc,graphics=off -accel tcg -m 256 -display none -vga none -nodefaults";
    const card = `-netdev tap,id=net0,ifname=tap0,script=no,downscript=no -device e1000,netdev=net0,mac=${mac},romfile=`;
    const rom = `-kernel /usr/lib/ipxe/ipxe.lkrn -initrd ${script} -serial file:${console}`;
    rack.spawn(rack.head, ["qemu-system-x86_64", ...`${machine} ${rom} ${card}`.split(" ")]);
    const kinds = async (): Promise<string[]> => {
      const { events } = JSON.parse((await head.provision("events", "--json")).stdout) as EventsAnswer;
      return events.map((event) =>
        event.kind === "offered"
          ? `offered ${event.client} ${event.firmware}`
          : event.kind === "loader"
            ? `loader ${event.file} ${event.via}`
            : event.kind,
      );
    };
    const deadline = Date.now() + 150_000;
    let seen = await kinds();
    while (!seen.includes("script") && Date.now() < deadline) {
      await delay(1000);
      seen = await kinds();
    }
    assert.deepEqual(
      [...new Set(seen)],
      ["offered firmware bios", "loader undionly.kpxe tftp", "offered ipxe bios", "script"],
    );
  },
);
