import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hardwareTextLimit } from "../../../agent/contract.ts";
import {
  diskReport,
  type DiskFiles,
  nicReport,
  type NicFiles,
  pciAddressOf,
} from "../../../agent/devices.ts";

const virtio: NicFiles = {
  name: "ens3",
  address: "52:54:00:12:34:56",
  type: "1",
  carrier: "1",
  speed: "-1",
  devPort: "0",
  devicePath: "/sys/devices/pci0000:00/0000:00:03.0/virtio0",
  driver: "virtio_net",
  pci: { vendor: "0x1af4", device: "0x1000", subsystemVendor: "0x1af4", subsystemDevice: "0x0001" },
};

const disk: DiskFiles = {
  name: "sda",
  size: "35843670",
  rotational: "1",
  model: "QUANTUM ATLAS IV 18 SCA ",
  serials: [undefined, undefined, undefined, "t10.QUANTUM ATLAS IV 18 SCA  PCB=20-116711-06"],
  hasDevice: true,
  links: ["pci-0000:00:05.0-scsi-0:0:1:0", "pci-0000:00:05.0-ata-1"],
};

describe("network card", () => {
  it("is reported with its PCI function, ids, driver, port and link", () => {
    assert.deepEqual(nicReport(virtio), {
      name: "ens3",
      mac: "52:54:00:12:34:56",
      driver: "virtio_net",
      pciAddress: "0000:00:03.0",
      pciId: "1af4:1000",
      pciSubsystemId: "1af4:0001",
      port: 0,
      linkUp: true,
    });
  });

  it("has a speed only when the driver knows it", () => {
    const speedOf = (speed: string | undefined): number | undefined =>
      nicReport({ ...virtio, speed })?.speedMbps;
    assert.equal(speedOf("1000"), 1000);
    for (const unknown of ["-1", "4294967295", "0", undefined, ""]) assert.equal(speedOf(unknown), undefined);
  });

  it("has no link when its carrier cannot be read, as of a port that is down", () => {
    assert.equal(nicReport({ ...virtio, carrier: undefined })?.linkUp, false);
    assert.equal(nicReport({ ...virtio, carrier: "0" })?.linkUp, false);
  });

  it("keeps its own address as a port of a bond", () => {
    const bonded = { ...virtio, address: "02:00:00:00:00:01", permanentAddress: "52:54:00:AB:CD:EF" };
    assert.equal(nicReport(bonded)?.mac, "52:54:00:ab:cd:ef");
  });

  it("is no bridge, loopback or InfiniBand port", () => {
    assert.equal(nicReport({ ...virtio, devicePath: undefined }), undefined);
    assert.equal(nicReport({ ...virtio, type: "32", address: "80:00:02:08:fe:80" }), undefined);
    assert.equal(nicReport({ ...virtio, type: "772" }), undefined);
    assert.equal(nicReport({ ...virtio, address: undefined }), undefined);
  });

  it("counts the ports of a card", () => {
    const four = [0, 1, 2, 3].map((port) => nicReport({ ...virtio, devPort: String(port) })?.port);
    assert.deepEqual(four, [0, 1, 2, 3]);
  });

  it("has a PCI address of its own or none", () => {
    assert.equal(pciAddressOf("/sys/devices/pci0000:00/0000:00:1c.0/0000:02:00.1"), "0000:02:00.1");
    assert.equal(pciAddressOf("/sys/devices/pci10000:00/10000:00:02.0"), "10000:00:02.0");
    assert.equal(pciAddressOf("/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0"), undefined);
    assert.equal(pciAddressOf("/sys/devices/platform/scb/fd580000.ethernet"), undefined);
  });
});

describe("disk", () => {
  it("is reported with what tells it from others", () => {
    assert.deepEqual(diskReport(disk), {
      name: "sda",
      bytes: 18351959040,
      model: "QUANTUM ATLAS IV 18 SCA",
      serial: "t10.QUANTUM ATLAS IV 18 SCA PCB=20-116711-06",
      rotational: true,
      path: "pci-0000:00:05.0-ata-1",
    });
  });

  it("never has a text that the head would refuse for its length", () => {
    const long = "x".repeat(hardwareTextLimit + 1);
    const { model, serial } = diskReport({ ...disk, model: long, serials: [long] }) ?? assert.fail();
    assert.deepEqual([model?.length, serial?.length], [hardwareTextLimit, hardwareTextLimit]);
  });

  it("prefers a serial number to a world-wide name, and does without either", () => {
    assert.equal(diskReport({ ...disk, serials: ["", " S1 ", "naa.5"] })?.serial, "S1");
    const bare = diskReport({
      name: "vda",
      size: "2048",
      rotational: "0",
      serials: [],
      hasDevice: true,
      links: [],
    });
    assert.deepEqual(bare, { name: "vda", bytes: 1048576, rotational: false });
  });

  it("is no loop, RAM disk, RAID, CD drive, hidden path or empty card reader", () => {
    for (const name of ["loop0", "ram0", "zram0", "dm-0", "md127", "sr0", "fd0"]) {
      assert.equal(diskReport({ ...disk, name }), undefined, name);
    }
    assert.equal(diskReport({ ...disk, hasDevice: false }), undefined);
    assert.equal(diskReport({ ...disk, hidden: "1" }), undefined);
    assert.equal(diskReport({ ...disk, size: "0" }), undefined);
    assert.equal(diskReport({ ...disk, size: undefined }), undefined);
    for (const name of ["sda", "nvme0n1", "mmcblk0", "vda", "hda"])
      assert.ok(diskReport({ ...disk, name }), name);
  });
});
