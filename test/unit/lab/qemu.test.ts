import assert from "node:assert/strict";
import { test } from "node:test";
import { machineMac } from "../../../server/lab/addresses.ts";
import { labPaths, machinePaths } from "../../../server/lab/paths.ts";
import { type QemuMachine, qemuArguments } from "../../../server/lab/qemu.ts";

const bios: QemuMachine = {
  title: "provision-lab-n001",
  firmware: "bios",
  accelerator: "tcg",
  memoryMiB: 512,
  cpus: 1,
  mac: machineMac(1),
  tap: "tap1",
  files: machinePaths(labPaths(""), "n001"),
};

/** The value after a flag; every flag asked for here is given once. */
function valueOf(argv: readonly string[], flag: string): string | undefined {
  assert.equal(argv.filter((word) => word === flag).length, 1, flag);
  return argv[argv.indexOf(flag) + 1];
}

test("a machine can boot from its network card only", () => {
  for (const firmware of ["bios", "uefi"] as const) {
    const argv = qemuArguments({ ...bios, firmware });
    assert.ok(argv.includes("-nodefaults") && argv.includes("-no-user-config"));
    const devices = argv.filter((_, index) => argv[index - 1] === "-device");
    const bootable = devices.filter((device) => device.includes("bootindex"));
    assert.equal(bootable.length, 1);
    assert.match(bootable[0] ?? "", /^virtio-net-pci,.*mac=52:54:00:77:00:01/);
    const drives = argv.filter((_, index) => argv[index - 1] === "-drive");
    assert.deepEqual(
      drives.filter((drive) => !drive.startsWith("if=pflash")),
      [],
      "no disk",
    );
  }
});

test("BIOS boots by the card's ROM and starts again when it fails; UEFI by EDK2's own client", () => {
  const biosArguments = qemuArguments(bios);
  assert.doesNotMatch(biosArguments.join(" "), /romfile/);
  assert.equal(valueOf(biosArguments, "-boot"), "strict=on,reboot-timeout=5000");
  const uefiArguments = qemuArguments({ ...bios, firmware: "uefi" });
  assert.match(uefiArguments.join(" "), /virtio-net-pci,\S*romfile=( |$)/);
  assert.match(uefiArguments.join(" "), /unit=0,readonly=on,file=\S+CODE/);
  assert.match(uefiArguments.join(" "), /unit=1,file=\/run\/provision-lab\/n001\.variables\.fd/);
});

test("KVM shows the host's processor; the emulator's buffer is bounded", () => {
  assert.equal(valueOf(qemuArguments({ ...bios, accelerator: "kvm" }), "-accel"), "kvm");
  assert.equal(valueOf(qemuArguments({ ...bios, accelerator: "kvm" }), "-cpu"), "host");
  assert.match(valueOf(qemuArguments(bios), "-accel") ?? "", /^tcg,.*tb-size=\d+/);
});

test("console and control are unix sockets of the lab's directory", () => {
  const argv = qemuArguments(bios);
  assert.match(valueOf(argv, "-chardev") ?? "", /path=\/run\/provision-lab\/n001\.tty,/);
  assert.match(
    valueOf(argv, "-chardev") ?? "",
    /logfile=\/run\/provision-lab\/n001\.console\.log,logappend=on/,
  );
  assert.equal(valueOf(argv, "-qmp"), "unix:/run/provision-lab/n001.qmp,server=on,wait=off");
  // sockaddr_un holds 107 bytes, and the longest name of a lab and of a machine must fit.
  const longest = machinePaths(labPaths("a".repeat(20)), "m".repeat(63)).control;
  assert.ok(longest.length <= 107, longest);
});
