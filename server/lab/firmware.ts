import { existsSync } from "node:fs";

export const firmwares = ["bios", "uefi"] as const;

/** What a machine starts with: SeaBIOS with iPXE in its card's ROM, or EDK2 with its own PXE client. */
export type Firmware = (typeof firmwares)[number];

/** Where Debian's `ovmf` has UEFI; 12 and 13 agree. */
export const uefiCode = "/usr/share/OVMF/OVMF_CODE_4M.fd";
export const uefiVariables = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/**
 * QEMU's default ROM of the virtual card (Debian's `ipxe-qemu`, 12's place and 13's): iPXE for BIOS, and for UEFI, where
 * it is not used. QEMU finds it by itself.
 */
const biosCardRom = ["/usr/lib/ipxe/qemu/efi-virtio.rom", "/usr/share/qemu/efi-virtio.rom"];

/** Firmware files that are not there, each with the Debian package that has it. */
export function missingFirmware(
  wanted: readonly Firmware[],
  exists: (file: string) => boolean = existsSync,
): { file: string; debianPackage: string }[] {
  const needed = [
    { firmware: "bios", places: biosCardRom, debianPackage: "ipxe-qemu" },
    { firmware: "uefi", places: [uefiCode], debianPackage: "ovmf" },
    { firmware: "uefi", places: [uefiVariables], debianPackage: "ovmf" },
  ] as const;
  return needed
    .filter(({ firmware, places }) => wanted.includes(firmware) && !places.some(exists))
    .map(({ places, debianPackage }) => ({ file: places.join(" or "), debianPackage }));
}

/** Firmware of each of `count` machines: the list, over and over. */
export function firmwareOf(wanted: readonly Firmware[], index: number): Firmware {
  return wanted[index % wanted.length] ?? "bios";
}
