import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { uefiCode, uefiVariables } from "../../server/lab/firmware.ts";
import type { EventAnswer, EventsAnswer } from "../../server/model/answers.ts";
import type { HeadProcess } from "./head-process.ts";
import type { Rack, RackHost } from "./netns.ts";

/** One QEMU machine with UEFI firmware, whose card is plugged into a bridge of a rack. */
export type FirmwareMachine = {
  mac: string;
  /** `http`: what is left of EDK2 with its PXE switched off. */
  boots: "pxe" | "http";
  /** Where the bridge is. */
  host: RackHost;
  bridge: string;
  memoryMebibytes: number;
  /** For the firmware's variables and what the machine says on its serial line (`console.log`). */
  directory: string;
};

/** Switches it on; it ends with the rack. */
export async function startFirmwareMachine(rack: Rack, machine: FirmwareMachine): Promise<void> {
  const { mac, boots, host, bridge, memoryMebibytes, directory } = machine;
  await execa("ip", ["-n", host.namespace, "tuntap", "add", "dev", "tap0", "mode", "tap"]);
  await execa("ip", ["-n", host.namespace, "link", "set", "tap0", "master", bridge, "up"]);
  const variables = join(directory, "variables.fd");
  copyFileSync(uefiVariables, variables);
  const off = boots === "pxe" ? [] : ["IPv4PXESupport", "IPv6PXESupport"];
  const words = [
    "-machine q35 -accel tcg,tb-size=96 -cpu max,-la57 -display none -vga none -nodefaults",
    `-m ${memoryMebibytes}`,
    `-drive if=pflash,format=raw,unit=0,readonly=on,file=${uefiCode}`,
    `-drive if=pflash,format=raw,unit=1,file=${variables}`,
    ...off.map((name) => `-fw_cfg name=opt/org.tianocore/${name},string=n`),
    "-netdev tap,id=net0,ifname=tap0,script=no,downscript=no",
    `-device virtio-net-pci,netdev=net0,mac=${mac},bootindex=1,romfile=`,
    // EDK2's network stack wants random numbers.
    "-device virtio-rng-pci",
    `-serial file:${join(directory, "console.log")}`,
  ];
  rack.spawn(host, ["qemu-system-x86_64", ...words.flatMap((word) => word.split(" "))]);
}

/** The machine's events as `print` words them, once `wanted` is among them. @throws Error when it is not in time. */
export async function eventsUntil(
  head: HeadProcess,
  wanted: string,
  print: (event: EventAnswer) => string,
  seconds: number,
): Promise<string[]> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const { events } = JSON.parse((await head.provision("events", "--json")).stdout) as EventsAnswer;
    const seen = events.map(print);
    if (seen.includes(wanted)) return seen;
    if (Date.now() > deadline) throw new Error(`no "${wanted}" within ${seconds} s: ${seen.join(", ")}`);
    await delay(1000);
  }
}
