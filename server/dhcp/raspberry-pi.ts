import type { Mac } from "../lib/mac.ts";

/**
 * The Raspberry Pi's own network boot (boot ROM of the 3, EEPROM of the 4 and 5). It speaks PXE's DHCP and nothing else
 * of PXE: it never asks port 4011, ignores the boot file's name, and fetches files of fixed names by TFTP, below a
 * directory named after its serial number first (`9f7a3c1e/start4.elf`). Raspberry Pi documentation, "Network booting".
 */

/** Raspberry Pi Foundation, Raspberry Pi (Trading) Ltd, Raspberry Pi Ltd (IEEE MA-L). */
const makers: ReadonlySet<string> = new Set([
  "b8:27:eb",
  "dc:a6:32",
  "e4:5f:01",
  "28:cd:c1",
  "d8:3a:dd",
  "2c:cf:67",
]);

/** Option 97 of the EEPROM: type 0, then `RPi4` or `RPi5` (its setting DHCP_OPTION97). */
const uuidPrefix = Buffer.from("\0RPi", "latin1");

/** BIOS, which it claims to be and cannot: a Pi has no x86; and the number registered for it. */
const claimed: ReadonlySet<number> = new Set([0, 41]);

/**
 * Whether PXE firmware is a Raspberry Pi's own, by its maker or its machine identifier. A Pi with UEFI or U-Boot says so
 * in option 93 and is as any other machine.
 */
export function isRaspberryPi(
  mac: Mac,
  architectures: readonly number[],
  machineUuid: Uint8Array | undefined,
): boolean {
  if (!architectures.every((code) => claimed.has(code))) return false;
  const named = machineUuid !== undefined && Buffer.from(machineUuid.subarray(0, 4)).equals(uuidPrefix);
  return named || architectures.includes(41) || makers.has(mac.slice(0, 8));
}

/**
 * Option 43, by which a Pi knows a reply to be meant for it: a boot menu (tag 9) with one entry, type 0, that is called
 * "Raspberry Pi Boot". With a prompt that waits 0 s (tag 10) and no discovery (tag 6, bits 0 and 1), as dnsmasq's
 * `pxe-service=0,"Raspberry Pi Boot"` has it. The Pi 3 compares the name's first characters only.
 */
export const piVendorOptions: ReadonlyMap<number, Uint8Array> = new Map([
  [6, Uint8Array.of(3)],
  [10, Buffer.from("\0PXE", "latin1")],
  [9, menuEntry(0, "Raspberry Pi Boot")],
]);

/** PXE 2.1 table 2-1, tag 9: type, length, text. */
function menuEntry(type: number, text: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(type >> 8, type & 255, text.length), Buffer.from(text, "latin1")]);
}
