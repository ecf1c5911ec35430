import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/**
 * Processes by what /proc says of them (proc(5)). A process number alone proves nothing: numbers are used again, so a
 * process is its number and the time at which it started.
 */
export type ProcessIdentity = {
  pid: number;
  /** Clock ticks between the machine's boot and the start of the process: field 22 of /proc/PID/stat. */
  startTicks: number;
};

export type Command = { file: string; args: readonly string[] };

/** The living process of that number; undefined when there is none, or only its remains (a zombie). */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  const startTicks = Number(fields[19]);
  if (stat === "" || state === "Z" || state === "X" || !Number.isInteger(startTicks)) return undefined;
  return { pid, startTicks };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startTicks === identity.startTicks;
}

/** True when the process was started by this very command. */
export function runsCommand(pid: number, command: Command): boolean {
  const words = readOrEmpty(`/proc/${pid}/cmdline`).split("\0").slice(0, -1);
  return (
    words.length === command.args.length + 1 &&
    path.basename(words[0] ?? "") === path.basename(command.file) &&
    command.args.every((word, index) => words[index + 1] === word)
  );
}

/** Every living process started by this very command. */
export function processesOf(command: Command): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || !runsCommand(Number(name), command)) continue;
    const identity = identityOf(Number(name));
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it has ended meanwhile
  }
}
