import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { System } from "../../../agent/system.ts";

const scratch = mkdtempSync(join(tmpdir(), "system-"));
after(() => rmSync(scratch, { recursive: true }));
let trees = 0;

/** A machine's /proc, /sys and /dev: text is a file, `-> target` a link. */
function machine(files: Readonly<Record<string, string>>): { root: string; system: System } {
  const root = join(scratch, String(trees++));
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    if (content.startsWith("-> ")) symlinkSync(content.slice(3), file);
    else writeFileSync(file, content);
  }
  return { root, system: new System(root) };
}

const cpuinfo = readFileSync(join(import.meta.dirname, "fixtures/cpuinfo-raspberry-pi-4.txt"), "utf8");

const board: Readonly<Record<string, string>> = {
  "proc/cpuinfo": cpuinfo,
  "proc/loadavg": "1.00 0.50 0.25 3/97 1\n",
  "proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 600 kB\n",
  "proc/stat": "cpu  100 0 100 800 0 0 0 0 0 0\n",
  "sys/devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
  "sys/devices/system/cpu/cpu0/topology/core_id": "0\n",
  "sys/devices/system/cpu/cpu1/topology/physical_package_id": "0\n",
  "sys/devices/system/cpu/cpu1/topology/core_id": "0\n",
  "sys/devices/system/cpu/cpu2/topology/physical_package_id": "1\n",
  "sys/devices/system/cpu/cpu2/topology/core_id": "0\n",
  "sys/devices/system/cpu/cpu3/topology/physical_package_id": "1\n",
  "sys/devices/system/cpu/cpu3/topology/core_id": "1\n",
  "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1500000\n",
  "sys/devices/system/cpu/cpufreq/x": "",
  "sys/class/dmi/id/product_uuid": "4C4C4544-0042-3510-8056-B2C04F4D3532\n",
  "sys/class/dmi/id/sys_vendor": "QEMU\n",
  "sys/class/dmi/id/product_name": "\n",
  "sys/firmware/efi/fw_platform_size": "64\n",
  "sys/bus/virtio/drivers/virtio_net/x": "",
  "sys/devices/pci0/0000:00:03.0/vendor": "0x1af4\n",
  "sys/devices/pci0/0000:00:03.0/device": "0x1041\n",
  "sys/devices/pci0/0000:00:03.0/subsystem_vendor": "0x1af4\n",
  "sys/devices/pci0/0000:00:03.0/subsystem_device": "0x1100\n",
  "sys/devices/pci0/0000:00:03.0/virtio1/vendor": "0x1af4\n",
  "sys/devices/pci0/0000:00:03.0/virtio1/device": "0x0001\n",
  "sys/devices/pci0/0000:00:03.0/virtio1/driver": "-> ../../../../bus/virtio/drivers/virtio_net",
  "sys/devices/pci0/0000:00:03.0/virtio1/net/eth0/device": "-> ../../../virtio1",
  "sys/devices/pci0/0000:00:03.0/virtio1/net/eth0/address": "52:54:00:00:00:01\n",
  "sys/devices/pci0/0000:00:03.0/virtio1/net/eth0/type": "1\n",
  "sys/devices/pci0/0000:00:03.0/virtio1/net/eth0/carrier": "1\n",
  "sys/devices/pci0/0000:00:03.0/virtio1/net/eth0/speed": "10000\n",
  "sys/devices/pci0/0000:00:03.0/virtio1/net/eth0/dev_port": "0\n",
  "sys/devices/virtual/net/lo/address": "00:00:00:00:00:00\n",
  "sys/devices/virtual/net/lo/type": "772\n",
  "sys/class/net/eth0": "-> ../../devices/pci0/0000:00:03.0/virtio1/net/eth0",
  "sys/class/net/lo": "-> ../../devices/virtual/net/lo",
  "sys/class/net/bonding_masters": "bond0\n",
  "sys/devices/pci0/0000:00:04.0/virtio2/block/vda/size": "2048\n",
  "sys/devices/pci0/0000:00:04.0/virtio2/block/vda/queue/rotational": "1\n",
  "sys/devices/pci0/0000:00:04.0/virtio2/block/vda/serial": "scratch\n",
  "sys/devices/pci0/0000:00:04.0/virtio2/block/vda/device": "-> ../../../virtio2",
  "sys/devices/virtual/block/loop0/size": "2048\n",
  "sys/block/vda": "-> ../devices/pci0/0000:00:04.0/virtio2/block/vda",
  "sys/block/loop0": "-> ../devices/virtual/block/loop0",
  "dev/disk/by-path/virtio-pci-0000:00:04.0": "-> ../../vda",
  "dev/disk/by-path/pci-0000:00:04.0": "-> ../../vda",
  "dev/disk/by-path/pci-0000:00:04.0-part1": "-> ../../vda1",
};

describe("system", () => {
  it("finds everything in /proc and /sys", () => {
    assert.deepEqual(machine(board).system.hardware(), {
      cpu: { model: "Arm Cortex-A72", sockets: 2, cores: 3, threads: 4, mhz: 1500 },
      memoryBytes: 1024000,
      kernel: release(),
      uuid: "4c4c4544-0042-3510-8056-b2c04f4d3532",
      vendor: "QEMU",
      firmware: "uefi",
      nics: [
        {
          name: "eth0",
          mac: "52:54:00:00:00:01",
          driver: "virtio_net",
          pciAddress: "0000:00:03.0",
          pciId: "1af4:1041",
          pciSubsystemId: "1af4:1100",
          port: 0,
          linkUp: true,
          speedMbps: 10000,
        },
      ],
      disks: [{ name: "vda", bytes: 1048576, serial: "scratch", rotational: true, path: "pci-0000:00:04.0" }],
    });
  });

  it("measures the processors between one reading and the next", () => {
    const { root, system } = machine(board);
    assert.deepEqual(system.load(), {
      average: [1, 0.5, 0.25],
      runnable: 2,
      memoryAvailableBytes: 614400,
      cpuBusy: 0.2,
    });
    writeFileSync(join(root, "proc/stat"), "cpu  150 0 100 850 0 0 0 0 0 0\n");
    assert.equal(system.load().cpuBusy, 0.5);
  });

  it("has an outline that changes with a link, a card, a disk and its name", () => {
    const { root, system } = machine(board);
    const outlines = [system.outline(), system.outline()];
    assert.equal(outlines[0], outlines[1]);
    writeFileSync(join(root, "sys/class/net/eth0/carrier"), "0\n");
    outlines.push(system.outline());
    rmSync(join(root, "sys/class/net/eth0"));
    outlines.push(system.outline());
    rmSync(join(root, "sys/block/vda"));
    outlines.push(system.outline());
    rmSync(join(root, "dev/disk/by-path/pci-0000:00:04.0"));
    outlines.push(system.outline());
    assert.equal(new Set(outlines).size, 5);
  });

  it("says what it can of a machine that shows nothing", () => {
    const { system } = machine({ "proc/x": "" });
    assert.deepEqual(system.hardware(), {
      cpu: { model: "unknown", sockets: 1, cores: 0, threads: 0, mhz: 0 },
      memoryBytes: 0,
      kernel: release(),
      firmware: "bios",
      nics: [],
      disks: [],
    });
    assert.equal(system.load().cpuBusy, 0);
  });

  it("reads the machine it runs on", () => {
    const system = new System();
    const hardware = system.hardware();
    assert.ok(hardware.cpu.threads > 0 && hardware.cpu.cores > 0 && hardware.cpu.sockets > 0);
    assert.ok(hardware.memoryBytes > 0);
    const { cpuBusy } = system.load();
    assert.ok(cpuBusy >= 0 && cpuBusy <= 1);
  });
});
