import { AppError } from "../lib/errors.ts";
import type { BackendName } from "./backend.ts";

/** What this machine has of each server. */
export type ServersFound = {
  kernel: {
    /** nfsd is in the kernel or can be loaded. */
    module: boolean;
    /** Of exportfs, rpc.nfsd and rpc.mountd, those that are not installed. */
    missing: readonly string[];
    /** The head runs in a network namespace of its own, where the machine's nfsd does not serve. */
    namespaced: boolean;
  };
  ganesha: {
    /** Path of ganesha.nfsd. */
    program?: string;
    /** The first number of its version: Debian 12 has 4, Debian 13 has 6. */
    release?: number;
    /** Its VFS module, a package of its own. */
    vfs: boolean;
  };
};

/** Which server to use. `auto`: the kernel's where it is really there, else Ganesha. */
export function chooseBackend(wanted: "auto" | BackendName, found: ServersFound): BackendName {
  const kernel = kernelObstacle(found.kernel);
  const ganesha = ganeshaObstacle(found.ganesha);
  if (wanted !== "ganesha" && kernel === undefined) return "kernel";
  if (wanted !== "kernel" && ganesha === undefined) return "ganesha";
  const obstacles = [
    ...(wanted === "ganesha" || kernel === undefined ? [] : [`the kernel's: ${kernel.message}`]),
    ...(wanted === "kernel" || ganesha === undefined ? [] : [`NFS-Ganesha: ${ganesha.message}`]),
  ];
  const hint = wanted === "kernel" ? kernel?.hint : ganesha?.hint;
  const message = `no usable NFS server (${obstacles.join("; ")})`;
  throw new AppError("environment", message, hint === undefined ? {} : { hint });
}

type Obstacle = { message: string; hint: string };

function kernelObstacle(kernel: ServersFound["kernel"]): Obstacle | undefined {
  const useGanesha = 'set nfs.backend to "ganesha"';
  if (kernel.namespaced) {
    return { message: "it does not serve this network namespace", hint: useGanesha };
  }
  if (!kernel.module) return { message: "this kernel has no nfsd module", hint: useGanesha };
  if (kernel.missing.length > 0) {
    return {
      message: `${kernel.missing.join(", ")} not installed`,
      hint: "apt-get install nfs-kernel-server",
    };
  }
  return undefined;
}

function ganeshaObstacle(ganesha: ServersFound["ganesha"]): Obstacle | undefined {
  const hint = "apt-get install nfs-ganesha nfs-ganesha-vfs";
  if (ganesha.program === undefined) return { message: "ganesha.nfsd not installed", hint };
  if (!ganesha.vfs) return { message: "its VFS module is not installed", hint };
  return undefined;
}
