import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { uefiCode, uefiVariables } from "../../server/lab/firmware.ts";
import type { EventAnswer, EventsAnswer } from "../../server/model/answers.ts";
import type { HeadProcess } from "./head-process.ts";
import type { Rack, RackHost } from "./netns.ts";

/** One QEMU machine, whose card is plugged into a bridge of a rack. */
export type FirmwareMachine = {
  mac: string;
  /** SMBIOS UUID; without one it has none. */
  uuid?: string;
  /**
   * UEFI by its own PXE client, by that of IPv6 alone, with Secure Boot and Microsoft's keys, by HTTP with its PXE switched off, or BIOS with a
   * card whose ROM is a plain PXE client.
   */
  boots: "pxe" | "pxe6" | "secure" | "http" | "bios";
  /** Where the bridge is. */
  host: RackHost;
  bridge: string;
  memoryMebibytes: number;
  /** For the firmware's variables and what the machine says on its serial line (`MAC/console.log`). */
  directory: string;
};

/** Debian's `ovmf`, with the keys that a machine has from its maker. */
const secureCode = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
const secureVariables = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";

/**
 * Debian has no PXE ROM that is not iPXE, and iPXE says so in its user class. This one is told to say something else
 * and, as a plain ROM does, to take the file that DHCP names by TFTP, which then finds a PXE stack to run on.
 */
const plainRom = `#!ipxe
set user-class plain
ifconf --configurator dhcp net0 || shell
chain tftp://\${next-server}/\${filename} || shell
`;

/** Switches it on; it ends when it is switched off, or with the rack. */
export async function startFirmwareMachine(
  rack: Rack,
  machine: FirmwareMachine,
): Promise<{ switchOff: () => Promise<void> }> {
  const { mac, host, bridge, memoryMebibytes } = machine;
  const tap = `tap${mac.replaceAll(":", "").slice(-8)}`;
  await execa("ip", ["-n", host.namespace, "tuntap", "add", "dev", tap, "mode", "tap"]);
  await execa("ip", ["-n", host.namespace, "link", "set", tap, "master", bridge, "up"]);
  const directory = join(machine.directory, mac);
  mkdirSync(directory, { recursive: true });
  const words = [
    "-accel tcg,tb-size=96 -display none -vga none -nodefaults",
    `-m ${memoryMebibytes}`,
    ...(machine.uuid === undefined ? [] : [`-uuid ${machine.uuid}`]),
    `-netdev tap,id=net0,ifname=${tap},script=no,downscript=no`,
    `-serial file:${join(directory, "console.log")}`,
    ...(machine.boots === "bios" ? biosWords(mac, directory) : uefiWords(mac, machine.boots, directory)),
  ];
  const child = rack.spawn(host, ["qemu-system-x86_64", ...words.flatMap((word) => word.split(" "))]);
  const switchOff = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child;
  };
  return { switchOff };
}

function biosWords(mac: string, directory: string): string[] {
  const script = join(directory, "plain.ipxe");
  writeFileSync(script, plainRom);
  return [
    "-machine pc,graphics=off",
    `-kernel /usr/lib/ipxe/ipxe.lkrn -initrd ${script}`,
    `-device e1000,netdev=net0,mac=${mac},romfile=`,
  ];
}

function uefiWords(mac: string, boots: "pxe" | "pxe6" | "secure" | "http", directory: string): string[] {
  const variables = join(directory, "variables.fd");
  copyFileSync(boots === "secure" ? secureVariables : uefiVariables, variables);
  const off = { http: ["IPv4PXESupport", "IPv6PXESupport"], pxe6: ["IPv4PXESupport"], pxe: [], secure: [] }[
    boots
  ];
  const machine =
    boots === "secure"
      ? "-machine q35,smm=on -global driver=cfi.pflash01,property=secure,value=on"
      : "-machine q35";
  return [
    `${machine} -cpu max,-la57`,
    `-drive if=pflash,format=raw,unit=0,readonly=on,file=${boots === "secure" ? secureCode : uefiCode}`,
    `-drive if=pflash,format=raw,unit=1,file=${variables}`,
    ...off.map((name) => `-fw_cfg name=opt/org.tianocore/${name},string=n`),
    `-device virtio-net-pci,netdev=net0,mac=${mac},bootindex=1,romfile=`,
    // EDK2's network stack wants random numbers.
    "-device virtio-rng-pci",
  ];
}

/** The machine's events (all machines' without a node) as `print` words them, once `wanted` is among them. @throws Error when it is not in time. */
export async function eventsUntil(
  head: HeadProcess,
  wanted: string,
  print: (event: EventAnswer) => string,
  seconds: number,
  node?: string,
): Promise<string[]> {
  const deadline = Date.now() + seconds * 1000;
  const argv = ["events", ...(node === undefined ? [] : [node]), "--json"];
  for (;;) {
    const { events } = JSON.parse((await head.provision(...argv)).stdout) as EventsAnswer;
    const seen = events.map(print);
    if (seen.includes(wanted)) return seen;
    if (Date.now() > deadline) throw new Error(`no "${wanted}" within ${seconds} s: ${seen.join(", ")}`);
    await delay(1000);
  }
}
