import { createHash } from "node:crypto";
import { formatSubnet } from "../lib/ipv4.ts";
import { type ExportedDirectory, type NfsExports, nobodyId } from "./exports.ts";
import type { Command } from "./process-table.ts";

/**
 * The commands that make the kernel export our directories and stop it again (exportfs(8), rpc.nfsd(8), rpc.mountd(8)).
 * Nothing is written into /etc/exports.
 */
export type KernelPlan = {
  loadModule: Command;
  /** The file system by which nfsd is controlled. */
  mountControl: Command;
  startThreads: Command;
  stopThreads: Command;
  mountd: Command;
  publish: readonly Command[];
  withdraw: readonly Command[];
};

/** Where nfsd's control files are. */
export const controlDirectory = "/proc/fs/nfsd";

/** Requests served at once. A disk, not the processor, is what they wait for. */
const threads = 16;

/** A node that comes back after a restart of the server has this long to claim its locks; others wait meanwhile. */
const graceSeconds = 10;
const leaseSeconds = 10;

export function kernelPlan(exports: NfsExports): KernelPlan {
  const directories = [exports.images, exports.shared];
  const published = directories.flatMap((directory) =>
    exports.subnets.map((subnet) => ({ directory, client: `${formatSubnet(subnet)}:${directory.path}` })),
  );
  return {
    loadModule: { file: "modprobe", args: ["nfsd"] },
    mountControl: { file: "mount", args: ["-t", "nfsd", "nfsd", controlDirectory] },
    startThreads: {
      file: "rpc.nfsd",
      // -N, -V: no NFSv3. -G, -L: seconds of grace and of a lease; the long forms are spelt differently in manual page
      // and program.
      args: `-N 3 -V 4 -H ${exports.address} -p ${exports.port} -G ${graceSeconds} -L ${leaseSeconds} ${threads}`.split(
        " ",
      ),
    },
    stopThreads: { file: "rpc.nfsd", args: ["0"] },
    // Without version 3 it opens no port: it only answers the kernel.
    mountd: { file: "rpc.mountd", args: ["-F", "-N", "3", "-V", "4", "-u"] },
    publish: published.map(({ directory, client }) => ({
      file: "exportfs",
      args: ["-o", exportOptions(directory), client],
    })),
    withdraw: published.map(({ client }) => ({ file: "exportfs", args: ["-u", client] })),
  };
}

/**
 * exports(5). `secure`: only root of a node may say who its users are. `fsid`: file handles outlive a reboot of the head
 * and work on file systems that have no identity of their own. `subtree_check` for the images, as the manual advises for
 * file systems that are mostly read: without it a forged handle reads any file of the head that lies on the same file
 * system, and root is trusted there. Not for the shared directory, where files are renamed while they are open.
 */
function exportOptions(directory: ExportedDirectory): string {
  return [
    directory.access,
    "sync",
    "secure",
    "sec=sys",
    directory.trustRoot ? "no_root_squash" : "root_squash",
    `anonuid=${nobodyId}`,
    `anongid=${nobodyId}`,
    directory.access === "ro" ? "subtree_check" : "no_subtree_check",
    `fsid=${identityOfPath(directory.path)}`,
  ].join(",");
}

/** A UUID that is always the same for the path. */
function identityOfPath(path: string): string {
  const digits = createHash("sha256").update(path).digest("hex");
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20, 32),
  ].join("-");
}
