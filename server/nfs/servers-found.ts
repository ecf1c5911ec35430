import { accessSync, constants, existsSync, globSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import type { Run } from "./backend.ts";
import type { ServersFound } from "./choice.ts";

/** Looks at what is installed. */
export async function findServers(searchPath: string, run: Run): Promise<ServersFound> {
  const program = findProgram("ganesha.nfsd", searchPath);
  const release = program === undefined ? undefined : await releaseOf(program, run);
  return {
    kernel: {
      module: await hasModule(run),
      missing: ["exportfs", "rpc.nfsd", "rpc.mountd"].filter(
        (name) => findProgram(name, searchPath) === undefined,
      ),
      namespaced: isNamespaced(),
    },
    ganesha: {
      ...(program === undefined ? {} : { program }),
      ...(release === undefined ? {} : { release }),
      vfs: globSync("/usr/lib/{,*/}ganesha/libfsalvfs.so").length > 0,
    },
  };
}

/** `NFS-Ganesha Release = V6.5`: 6. */
async function releaseOf(program: string, run: Run): Promise<number | undefined> {
  try {
    const { output } = await run({ file: program, args: ["-v"] });
    const major = /\bRelease = V(\d+)/.exec(output)?.[1];
    return major === undefined ? undefined : Number(major);
  } catch {
    return undefined; // the start will fail and say why
  }
}

/** An administrator's programs are not on everybody's PATH. */
export function withSystemDirectories(searchPath: string): string {
  const directories = searchPath.split(":").filter((directory) => directory !== "");
  return [...new Set([...directories, "/usr/local/sbin", "/usr/sbin", "/sbin"])].join(":");
}

function findProgram(name: string, searchPath: string): string | undefined {
  return searchPath
    .split(":")
    .map((directory) => path.join(directory, name))
    .find(isExecutable);
}

async function hasModule(run: Run): Promise<boolean> {
  if (/\bnfsd$/m.test(readFileSync("/proc/filesystems", "utf8"))) return true;
  try {
    return (await run({ file: "modprobe", args: ["--dry-run", "--quiet", "nfsd"] })).exitCode === 0;
  } catch {
    return false;
  }
}

function isNamespaced(): boolean {
  try {
    return (
      existsSync("/proc/1/ns/net") && readlinkSync("/proc/1/ns/net") !== readlinkSync("/proc/self/ns/net")
    );
  } catch {
    return false; // not root: the start will fail on that and say so
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
