import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { release } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Hardware, Load } from "./contract.ts";
import { parseCpu, type ThreadPlace } from "./cpu.ts";
import { type DiskFiles, diskReport, type NicFiles, nicReport, type PciIds } from "./devices.ts";
import { busyShare, type CpuTimes, parseCpuTimes, parseLoadAverage, parseMemory } from "./load.ts";
import { shortText } from "./short-text.ts";

/** The parts of the hardware that cannot change while the kernel runs, and so are read once. */
type FixedHardware = Omit<Hardware, "nics" | "disks">;

/** The machine as /proc and /sys under `root` show it. Reads files, decides nothing: the parsers do. */
export class System {
  readonly #root: string;
  #before: CpuTimes = { busy: 0, total: 0 };
  #fixed: FixedHardware | undefined;

  constructor(root = "/") {
    this.#root = root;
  }

  /** Processor time is counted from the call before; at first, from the kernel's start. */
  load(): Load {
    const now = parseCpuTimes(this.#text("proc/stat") ?? "");
    const cpuBusy = busyShare(this.#before, now);
    this.#before = now;
    return {
      ...parseLoadAverage(this.#text("proc/loadavg") ?? ""),
      memoryAvailableBytes: parseMemory(this.#text("proc/meminfo") ?? "", "MemAvailable"),
      cpuBusy,
    };
  }

  hardware(): Hardware {
    this.#fixed ??= this.#readFixed();
    const nics = this.#list("sys/class/net").flatMap((name) => nicReport(this.#nicFiles(name)) ?? []);
    const links = this.#diskLinks();
    const disks = this.#list("sys/block").flatMap((name) => diskReport(this.#diskFiles(name, links)) ?? []);
    return { ...this.#fixed, nics, disks };
  }

  /** Changes when a card or a disk comes or goes, and with a card's link. Cheap enough for every report. */
  outline(): string {
    const nics = this.#list("sys/class/net").map(
      (name) => `${name}=${this.#text(`sys/class/net/${name}/carrier`) ?? ""}`,
    );
    // udev makes the links some time after the disk is there.
    return [...nics, ...this.#list("sys/block"), ...this.#list("dev/disk/by-path")].join(" ");
  }

  #readFixed(): FixedHardware {
    const cpu = parseCpu(this.#text("proc/cpuinfo") ?? "", this.#threadPlaces());
    const maxKhz = Number(this.#text("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq") ?? 0);
    const dmi = (name: string): string | undefined => shortText(this.#text(`sys/class/dmi/id/${name}`));
    const [uuid, vendor, product] = [
      dmi("product_uuid")?.toLowerCase(),
      dmi("sys_vendor"),
      dmi("product_name"),
    ];
    return {
      // /proc/cpuinfo has the frequency of this moment.
      cpu: maxKhz > 0 ? { ...cpu, mhz: Math.round(maxKhz / 1000) } : cpu,
      memoryBytes: parseMemory(this.#text("proc/meminfo") ?? "", "MemTotal"),
      kernel: release(),
      ...(uuid === undefined ? {} : { uuid }),
      ...(vendor === undefined ? {} : { vendor }),
      ...(product === undefined ? {} : { product }),
      firmware: existsSync(join(this.#root, "sys/firmware/efi")) ? "uefi" : "bios",
    };
  }

  #threadPlaces(): ThreadPlace[] {
    const names = this.#list("sys/devices/system/cpu").filter((name) => /^cpu\d+$/.test(name));
    return names.flatMap((name) => {
      const at = `sys/devices/system/cpu/${name}/topology`;
      const socket = this.#text(`${at}/physical_package_id`);
      const core = this.#text(`${at}/core_id`);
      return socket === undefined || core === undefined
        ? []
        : [{ socket: Number(socket), core: Number(core) }];
    });
  }

  #nicFiles(name: string): NicFiles {
    const at = `sys/class/net/${name}`;
    const devicePath = this.#target(`${at}/device`);
    const driver = this.#target(`${at}/device/driver`);
    // A virtio device's own ids are virtio's; its parent is the PCI function.
    const pci =
      devicePath === undefined
        ? undefined
        : /\/virtio\d+$/.test(devicePath)
          ? dirname(devicePath)
          : devicePath;
    return {
      name,
      address: this.#text(`${at}/address`),
      type: this.#text(`${at}/type`),
      carrier: this.#text(`${at}/carrier`),
      speed: this.#text(`${at}/speed`),
      devPort: this.#text(`${at}/dev_port`),
      devicePath,
      driver: driver === undefined ? undefined : basename(driver),
      permanentAddress: this.#text(`${at}/bonding_slave/perm_hwaddr`),
      pci: pci === undefined ? undefined : this.#pciIds(pci),
    };
  }

  #pciIds(path: string): PciIds {
    const read = (name: string): string | undefined => readText(join(path, name));
    return {
      vendor: read("vendor"),
      device: read("device"),
      subsystemVendor: read("subsystem_vendor"),
      subsystemDevice: read("subsystem_device"),
    };
  }

  #diskFiles(name: string, links: ReadonlyMap<string, readonly string[]>): DiskFiles {
    const at = `sys/block/${name}`;
    const text = (file: string): string | undefined => this.#text(`${at}/${file}`);
    return {
      name,
      size: text("size"),
      rotational: text("queue/rotational"),
      hidden: text("hidden"),
      model: text("device/model"),
      serials: [text("serial"), text("device/serial"), text("wwid"), text("device/wwid")],
      hasDevice: existsSync(join(this.#root, at, "device")),
      links: links.get(name) ?? [],
    };
  }

  /** Names in /dev/disk/by-path of every whole disk. */
  #diskLinks(): ReadonlyMap<string, readonly string[]> {
    const links = new Map<string, string[]>();
    for (const link of this.#list("dev/disk/by-path")) {
      try {
        const disk = basename(readlinkSync(join(this.#root, "dev/disk/by-path", link)));
        links.set(disk, [...(links.get(disk) ?? []), link]);
      } catch {
        // gone since it was listed
      }
    }
    return links;
  }

  #text(path: string): string | undefined {
    return readText(join(this.#root, path));
  }

  #list(path: string): string[] {
    try {
      return readdirSync(join(this.#root, path)).sort();
    } catch {
      return [];
    }
  }

  #target(path: string): string | undefined {
    try {
      return realpathSync(join(this.#root, path));
    } catch {
      return undefined;
    }
  }
}

/** Undefined when the file is not there and when reading it fails, as `carrier` and `speed` of a port do that is down. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
