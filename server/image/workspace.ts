import { mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { AppError } from "../lib/errors.ts";

/**
 * Where a version is built: `<store>/.building-<process>-<its start time>`, on the store's own file system, so that a
 * rename makes it a version. The name tells whether its builder still lives.
 */
const prefix = ".building-";

/** Makes the directory, after what dead builders have left is removed. One build at a time in a store. */
export async function openWorkspace(store: string): Promise<string> {
  for (const name of readdirSync(store).filter((entry) => entry.startsWith(prefix))) {
    const builder = livingBuilder(name);
    if (builder !== undefined) {
      throw new AppError("conflict", `another build is under way in ${store} (process ${builder})`, {
        hint: "wait for it, or stop it",
      });
    }
    await removeWorkspace(path.join(store, name));
  }
  const directory = path.join(store, `${prefix}${process.pid}-${startTicksOf(process.pid) ?? 0}`);
  mkdirSync(directory, { mode: 0o755 });
  return directory;
}

/** Removes it with everything in it. Never reaches into what is mounted below: that may be this machine's own /dev. */
export async function removeWorkspace(directory: string): Promise<void> {
  // The last one mounted comes off first.
  for (const mount of mountsBelow(directory).toReversed()) {
    await execa("umount", [mount], { reject: false });
  }
  const left = mountsBelow(directory);
  if (left.length > 0) {
    throw new AppError("environment", `${left.join(", ")} cannot be unmounted, so ${directory} stays`, {
      hint: `end what uses it ("fuser -vm ${left[0]}"), then: umount -R ${directory}; rm -r ${directory}`,
    });
  }
  rmSync(directory, { recursive: true, force: true });
}

function livingBuilder(name: string): number | undefined {
  const [pid, ticks] = name.slice(prefix.length).split("-").map(Number);
  if (pid === undefined || !Number.isInteger(pid)) return undefined;
  const started = startTicksOf(pid);
  // A name without the start time is from a builder that did not write it: its process number must do.
  return started !== undefined && (ticks === undefined || ticks === started) ? pid : undefined;
}

/** Field 22 of /proc/PID/stat (proc(5)): process numbers are used again, this pair is not. */
function startTicksOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return undefined;
  }
}

function mountsBelow(directory: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[4] ?? "").replaceAll(/\\(\d{3})/g, (_, octal: string) => {
        return String.fromCharCode(Number.parseInt(octal, 8));
      }),
    )
    .filter((mount) => mount.startsWith(`${directory}/`));
}
