import type { DiskReport, NicReport } from "./contract.ts";
import { shortText } from "./short-text.ts";

/** One directory of /sys/class/net, as text. Absent: the file is not there, or the driver refuses to answer. */
export type NicFiles = {
  name: string;
  address?: string | undefined;
  /** ARPHRD_*: 1 is Ethernet. */
  type?: string | undefined;
  carrier?: string | undefined;
  speed?: string | undefined;
  devPort?: string | undefined;
  /** Where `device` leads: /sys/devices/pci0000:00/0000:00:03.0/virtio0. A virtual device has none. */
  devicePath?: string | undefined;
  /** Name of the driver: the last part of where `device/driver` leads. */
  driver?: string | undefined;
  /** The card's own address while it is a port of a bond, which gives all its ports one address. */
  permanentAddress?: string | undefined;
  pci?: PciIds | undefined;
};

/** As sysfs has them: `0x1af4`. */
export type PciIds = {
  vendor?: string | undefined;
  device?: string | undefined;
  subsystemVendor?: string | undefined;
  subsystemDevice?: string | undefined;
};

/** Undefined for what is no Ethernet port of a card: loopback, bridges, bonds, VLANs, tunnels. */
export function nicReport(files: NicFiles): NicReport | undefined {
  const mac = (files.permanentAddress ?? files.address ?? "").toLowerCase();
  if (files.devicePath === undefined || files.type !== "1" || !/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac)) {
    return undefined;
  }
  const pciAddress = pciAddressOf(files.devicePath);
  const speedMbps = Number(files.speed);
  return {
    name: files.name,
    mac,
    driver: files.driver ?? "unknown",
    ...optional("pciAddress", pciAddress),
    ...optional("pciId", idPair(files.pci?.vendor, files.pci?.device)),
    ...optional("pciSubsystemId", idPair(files.pci?.subsystemVendor, files.pci?.subsystemDevice)),
    port: Number.parseInt(files.devPort ?? "0", 10) || 0,
    linkUp: files.carrier === "1",
    // -1, and 4294967295 of kernels before 3.16: the driver does not know. QEMU's tulip refuses to answer.
    ...(speedMbps > 0 && speedMbps < 0xffffffff ? { speedMbps } : {}),
  };
}

/**
 * The PCI function a device is, or sits on as a virtio device does. A card behind USB has the controller's function in its
 * path, which is not its own.
 */
export function pciAddressOf(devicePath: string): string | undefined {
  return /\/([0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?:\/virtio\d+)?$/.exec(devicePath)?.[1];
}

/** One directory of /sys/block, as text. */
export type DiskFiles = {
  name: string;
  /** In units of 512 bytes, whatever the disk's own sectors are. */
  size?: string | undefined;
  rotational?: string | undefined;
  hidden?: string | undefined;
  model?: string | undefined;
  /** In the order of preference: serial numbers first, then world-wide names. */
  serials: readonly (string | undefined)[];
  /** True when it has `device`: it is hardware, and no loop, RAM disk, RAID or device-mapper volume. */
  hasDevice: boolean;
  /** Names in /dev/disk/by-path that lead here. */
  links: readonly string[];
};

/** Undefined for what is no disk: virtual devices, CD and floppy drives, card readers with no card in. */
export function diskReport(files: DiskFiles): DiskReport | undefined {
  const bytes = Number(files.size ?? 0) * 512;
  if (!files.hasDevice || files.hidden === "1" || /^(?:sr|fd|loop|ram|zram|dm-|md)\d/.test(files.name))
    return undefined;
  if (!(bytes > 0)) return undefined;
  const [path] = files.links.toSorted();
  return {
    name: files.name,
    bytes,
    ...optional("model", shortText(files.model)),
    ...optional(
      "serial",
      files.serials.map(shortText).find((serial) => serial !== undefined),
    ),
    rotational: files.rotational === "1",
    ...optional("path", path),
  };
}

/** `1af4:1000` of `0x1af4` and `0x1000`. */
function idPair(vendor: string | undefined, device: string | undefined): string | undefined {
  const pair = [vendor, device].map((text) => /^0x([0-9a-f]{4})$/.exec(text ?? "")?.[1]);
  return pair.includes(undefined) ? undefined : pair.join(":");
}

function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
}
