import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { uefiCode, uefiVariables } from "../../server/lab/firmware.ts";
import type { EventsAnswer } from "../../server/model/answers.ts";
import { foreignServer, startDnsmasq } from "../support/foreign-dhcp.ts";
import { createHeadProcess } from "../support/head-process.ts";
import { createRack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const mac = "52:54:00:77:00:42";

test(
  "UEFI HTTP Boot beside dnsmasq: EDK2 takes the address of one and the URL of the other, up to the boot script",
  { timeout: 240_000 },
  async (t) => {
    const directory = temporaryDirectory(t);
    const rack = await createRack({ clients: [{ name: "router", address: `${foreignServer}/24` }] });
    t.after(rack.dispose);
    const head = createHeadProcess(rack, directory, {
      dhcpMode: "proxy",
      loaderDirectory: "/usr/lib/ipxe",
    });
    t.after(() => head.stop("SIGKILL"));
    await head.start();
    await startDnsmasq((argv) => rack.spawn(rack.client("router"), argv), {});
    const { namespace, device } = rack.head;
    await execa("ip", ["-n", namespace, "tuntap", "add", "dev", "tap0", "mode", "tap"]);
    await execa("ip", ["-n", namespace, "link", "set", "tap0", "master", device, "up"]);
    const variables = join(directory, "variables.fd");
    copyFileSync(uefiVariables, variables);
    const machine = "-machine q35 -accel tcg -cpu max -m 512 -display none -vga none -nodefaults";
    const flash = `-drive if=pflash,format=raw,unit=0,readonly=on,file=${uefiCode} -drive if=pflash,format=raw,unit=1,file=${variables}`;
    // Without PXE there is HTTP Boot left; EDK2's network stack wants random numbers.
    const off = "IPv4PXESupport IPv6PXESupport"
      .split(" ")
      .map((name) => `-fw_cfg name=opt/org.tianocore/${name},string=n`)
      .join(" ");
    const card = `-netdev tap,id=net0,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=net0,mac=${mac},bootindex=1,romfile= -device virtio-rng-pci`;
    const console = `-serial file:${join(directory, "console.log")}`;
    rack.spawn(rack.head, [
      "qemu-system-x86_64",
      ...`${machine} ${flash} ${off} ${card} ${console}`.split(" "),
    ]);
    const kinds = async (): Promise<string[]> => {
      const { events } = JSON.parse((await head.provision("events", "--json")).stdout) as EventsAnswer;
      return events.map((event) =>
        event.kind === "offered"
          ? `${event.server === undefined ? "told" : `addressed by ${event.server}`} ${event.client} ${event.firmware}`
          : event.kind === "loader"
            ? `loader ${event.file} ${event.via}`
            : event.kind,
      );
    };
    const deadline = Date.now() + 200_000;
    let seen = await kinds();
    while (!seen.includes("script") && Date.now() < deadline) {
      await delay(1000);
      seen = await kinds();
    }
    assert.deepEqual([...new Set(seen)].slice(0, 6), [
      "told firmware uefi-x64-http",
      `addressed by ${foreignServer} firmware uefi-x64-http`,
      "loader snponly.efi http",
      "told ipxe uefi-x64",
      `addressed by ${foreignServer} ipxe uefi-x64`,
      "script",
    ]);
  },
);
