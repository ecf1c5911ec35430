import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkLab,
  labFaults,
  type LabNeeds,
  type LabSurroundings,
  parseAvailableMiB,
} from "../../../server/lab/checks.ts";
import { firmwareOf, missingFirmware } from "../../../server/lab/firmware.ts";
import { bootSector, verdict } from "../../../server/lab/kvm-probe.ts";
import { hasGivenUp } from "../../../server/lab/minder.ts";
import { AppError } from "../../../server/lib/errors.ts";
import type { ImageVersion } from "../../../server/model/image.ts";

const image = { architecture: "amd64" } as ImageVersion;
const needs: LabNeeds = {
  machines: 2,
  firmware: ["bios", "uefi"],
  memoryMiB: 512,
  image: "debian-13",
  imageStore: "/var/lib/provision/images",
  findImage: () => image,
};
const good: LabSurroundings = {
  isRoot: true,
  exists: () => true,
  findProgram: (name) => `/usr/bin/${name}`,
  availableMiB: 8000,
};

test("a machine with everything has no fault", () => {
  assert.deepEqual(labFaults(needs, good), []);
});

test("everything that is missing is told at once", () => {
  const bad: LabSurroundings = {
    isRoot: false,
    exists: () => false,
    findProgram: () => undefined,
    availableMiB: 100,
  };
  const faults = labFaults({ ...needs, findImage: () => undefined }, bad);
  const places = faults.map(({ place }) => place);
  for (const place of [
    "user",
    "ip",
    "qemu-system-x86_64",
    "ssh",
    "ganesha.nfsd",
    "/dev/net/tun",
    "image",
    "memory",
  ]) {
    assert.ok(places.includes(place), `${place} in ${places.join(" ")}`);
  }
  assert.equal(places.filter((place) => place.includes("OVMF")).length, 2);
  assert.match(
    faults.find(({ place }) => place === "image")?.message ?? "",
    /provision build-image debian-13$/,
  );
  assert.throws(
    () => checkLab(needs, bad),
    (error) => error instanceof AppError && error.code === "environment" && error.faults.length >= 7,
  );
});

test("the hint names the store and the image without its version", () => {
  const [fault] = labFaults(
    { ...needs, image: "debian-13@20260101-abc", imageStore: "/srv/images", findImage: () => undefined },
    good,
  );
  assert.match(fault?.message ?? "", /provision build-image debian-13 --image-store \/srv\/images$/);
});

test("an image of another architecture does not boot here", () => {
  const faults = labFaults({ ...needs, findImage: () => ({ ...image, architecture: "arm64" }) }, good);
  assert.deepEqual(
    faults.map(({ place }) => place),
    ["image"],
  );
});

test("memory is counted for each machine", () => {
  const places = (machines: number): string[] =>
    labFaults({ ...needs, machines }, { ...good, availableMiB: 2000 }).map(({ place }) => place);
  assert.deepEqual(places(2), []);
  assert.deepEqual(places(3), ["memory"]);
  assert.equal(parseAvailableMiB("MemTotal:  8000 kB\nMemAvailable:    2097152 kB\n"), 2048);
  assert.equal(parseAvailableMiB(""), 0);
});

test("only the firmware that is used has to be there, and machines take theirs in turn", () => {
  assert.deepEqual(
    missingFirmware(["bios"], () => false).map(({ debianPackage }) => debianPackage),
    ["ipxe-qemu"],
  );
  assert.deepEqual(
    missingFirmware(["bios"], (file) => file === "/usr/share/qemu/efi-virtio.rom"),
    [],
    "where Debian 13 has it",
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => firmwareOf(["bios", "uefi"], index)),
    ["bios", "uefi", "bios", "uefi"],
  );
});

test("KVM counts only when the boot sector's own exit status comes back in time", () => {
  const result = { timedOut: false, exitCode: 33, stderr: "" };
  assert.equal(verdict(result).accelerator, "kvm");
  for (const wrong of [
    { ...result, exitCode: 0 },
    { ...result, exitCode: 1, stderr: "qemu: failed to initialize kvm: Permission denied" },
    { timedOut: true, stderr: "" },
  ]) {
    assert.equal(verdict(wrong).accelerator, "tcg");
  }
  assert.match(verdict({ ...result, exitCode: 1, stderr: "a\nno such cpu\n" }).reason, /no such cpu$/);
  const sector = bootSector();
  assert.deepEqual([sector.length, sector[510], sector[511]], [512, 0x55, 0xaa]);
});

test("firmware that waits for somebody at its keyboard has given up", () => {
  assert.ok(hasGivenUp("map: No mapping found.\r\nShell> "));
  assert.ok(
    hasGivenUp(
      "BdsDxe: No bootable option or device was found.\r\nBdsDxe: Press any key to enter the Boot Manager Menu.\r\n",
    ),
  );
  assert.equal(hasGivenUp(">>Start PXE over IPv4."), false);
  assert.equal(hasGivenUp("Shell> reset\r\nBdsDxe: loading Boot0001"), false);
  assert.equal(hasGivenUp(""), false);
});
