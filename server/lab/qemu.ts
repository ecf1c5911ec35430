import type { Mac } from "../lib/mac.ts";
import { assertNever } from "../lib/assert.ts";
import { type Firmware, uefiCode } from "./firmware.ts";
import type { MachinePaths } from "./paths.ts";

export type Accelerator = "kvm" | "tcg";

export type QemuMachine = {
  /** Shown by `ps`. */
  title: string;
  firmware: Firmware;
  accelerator: Accelerator;
  memoryMiB: number;
  cpus: number;
  mac: Mac;
  tap: string;
  files: MachinePaths;
};

/** QEMU's emulator keeps translated code: without a bound, a GiB for each machine. */
export const codeBufferMiB = 128;

/**
 * The command line of a machine that can boot from its network card only. Pure: what the files are is the caller's
 * business.
 */
export function qemuArguments(machine: QemuMachine): string[] {
  const { files } = machine;
  const console = `socket,id=console,path=${files.console},server=on,wait=off`;
  return [
    ["-name", machine.title, "-no-user-config", "-nodefaults"],
    ["-display", "none", "-vga", "none"],
    acceleration(machine.accelerator),
    ["-m", String(machine.memoryMiB), "-smp", String(machine.cpus)],
    firmware(machine.firmware, files),
    ["-netdev", `tap,id=net0,ifname=${machine.tap},script=no,downscript=no`],
    ["-device", `virtio-net-pci,netdev=net0,mac=${machine.mac},bootindex=1${cardRom(machine.firmware)}`],
    // EDK2's PXE client has no random numbers without it, and a kernel waits less for its own.
    ["-device", "virtio-rng-pci"],
    ["-chardev", `${console},logfile=${files.consoleLog},logappend=on`, "-serial", "chardev:console"],
    ["-qmp", `unix:${files.control},server=on,wait=off`],
  ].flat();
}

function acceleration(accelerator: Accelerator): string[] {
  switch (accelerator) {
    case "kvm": {
      return ["-accel", "kvm", "-cpu", "host"];
    }
    case "tcg": {
      // What costs more emulated than it is worth: long string moves (erms, fsrm), five-level page tables (la57), and
      // protections that are checked at every turn.
      const cpu = "max,-smap,-smep,-umip,-pku,-la57,-erms,-fsrm,-svm";
      return ["-accel", `tcg,thread=multi,tb-size=${codeBufferMiB}`, "-cpu", cpu];
    }
    default: {
      return assertNever(accelerator);
    }
  }
}

function firmware(kind: Firmware, files: MachinePaths): string[] {
  switch (kind) {
    case "bios": {
      // SeaBIOS: start again 5 s after every boot device has failed, for ever; its own words go to the console.
      return ["-machine", "pc,graphics=off", "-boot", "strict=on,reboot-timeout=5000"];
    }
    case "uefi": {
      return [
        ["-machine", "q35"],
        ["-drive", `if=pflash,format=raw,unit=0,readonly=on,file=${uefiCode}`],
        ["-drive", `if=pflash,format=raw,unit=1,file=${files.variables}`],
        // EDK2 tries its boot options one after the other, a minute each: this one cannot work here.
        ["-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=n"],
      ].flat();
    }
    default: {
      return assertNever(kind);
    }
  }
}

/**
 * BIOS boots by the card's default ROM, which is iPXE (told by name, QEMU would not fit the ROM to the card's PCI ids, and
 * SeaBIOS passes it over). With an empty ROM the card is left to EDK2's own driver and PXE client, as on most machines.
 */
function cardRom(kind: Firmware): string {
  return kind === "uefi" ? ",romfile=" : "";
}
