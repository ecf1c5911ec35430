import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { execa } from "execa";
import { createImageCatalog } from "../../server/image/versions.ts";

/**
 * The kernel's NFS server, with a real kernel: the node image as a guest without network, which serves, mounts and asks
 * by itself (test/support/kernel-nfs-driver.ts). The image is all in the initrd, so nothing else is needed to boot it.
 */
const store = process.env["PROVISION_IMAGE_STORE"] ?? "/var/lib/provision/images";
const directory = mkdtempSync(path.join(tmpdir(), "provision-kernel-nfs-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const init = `#!/bin/bash
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=0755 run /run
mount -t tmpfs tmp /tmp
ip link set lo up
node /driver.mjs </dev/null
poweroff -f
`;

// $1: the root directory, $2: where init and driver.mjs lie and the archive goes. The kernel unpacks one archive after the
// other; the image's device drivers are of no use to a guest without devices, and most of its size.
const packing = `set -e -o pipefail
cd "$1"
find . -path ./boot -prune -o -path './usr/lib/modules/*/kernel/drivers' -prune -o -print0 |
  cpio --null --create --format=newc --quiet > "$2/initrd"
cd "$2"
printf '%s\\n' init driver.mjs | cpio --create --format=newc --quiet >> initrd
`;

const guest =
  "-M q35 -accel tcg,tb-size=128 -cpu max,-erms,-fsrm,-la57 -m 1600 -nographic -no-reboot -nic none -device virtio-rng-pci";

describe("the kernel's NFS server", () => {
  it("serves, refuses, squashes, recovers and ends in a guest", { timeout: 420_000 }, async () => {
    const image = createImageCatalog(store).find("debian-13");
    assert.ok(image !== undefined, `no debian-13 in ${store}: provision build-image debian-13`);
    await build({
      entryPoints: [fileURLToPath(import.meta.resolve("../support/kernel-nfs-driver.ts"))],
      bundle: true,
      platform: "node",
      format: "esm",
      outfile: path.join(directory, "driver.mjs"),
      logLevel: "error",
    });
    writeFileSync(path.join(directory, "init"), init, { mode: 0o755 });
    await execa("bash", ["-c", packing, "pack", image.root, directory]);
    const { stdout } = await execa(
      "qemu-system-x86_64",
      [
        ...guest.split(" "),
        "-kernel",
        image.kernel,
        "-initrd",
        path.join(directory, "initrd"),
        "-append",
        "rdinit=/init console=ttyS0 quiet mitigations=off",
      ],
      { timeout: 400_000, stdin: "ignore" },
    );
    const verdict = stdout.split(/\r?\n/).find((line) => line.startsWith('{"passed"'));
    assert.ok(verdict !== undefined, `no verdict; the console said:\n${stdout.slice(-4000)}`);
    assert.equal((JSON.parse(verdict) as { passed: boolean }).passed, true, verdict);
  });
});
