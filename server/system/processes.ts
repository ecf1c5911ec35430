import { once } from "node:events";
import { createWriteStream, existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { AppError, messageOf } from "../lib/errors.ts";

/** A process that is never mistaken for another: numbers are used again, a number with its start is not. */
export type ProcessIdentity = {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since the machine started. */
  startTicks: number;
};

/** What /proc/PID/stat says; the command's name may hold blanks and brackets (proc(5)). */
export function parseProcessStat(text: string): { state: string; startTicks: number } | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  const startTicks = Number(fields[19]);
  return state === undefined || !Number.isInteger(startTicks) ? undefined : { state, startTicks };
}

/** Undefined when there is no such process, or only what is left of one. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
    return stat === undefined || stat.state === "Z" || stat.state === "X"
      ? undefined
      : { pid, startTicks: stat.startTicks };
  } catch {
    return undefined; // it has ended
  }
}

export function isRunning(process: ProcessIdentity | undefined): boolean {
  return process !== undefined && identify(process.pid)?.startTicks === process.startTicks;
}

/** Sends a signal to that process and to no other. False when it has ended. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(target)) return false;
  try {
    return process.kill(target.pid, signal);
  } catch {
    return false; // it ended in between
  }
}

/** Waits until all have ended, at most so long. @returns those that have not */
export async function waitForEnd(
  processes: readonly ProcessIdentity[],
  timeoutMs: number,
): Promise<ProcessIdentity[]> {
  const deadline = performance.now() + timeoutMs;
  let left = processes.filter(isRunning);
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(50);
    left = left.filter(isRunning);
  }
  return left;
}

/** Ends processes in order where they can, and in any case. */
export async function endProcesses(processes: readonly ProcessIdentity[], patienceMs: number): Promise<void> {
  for (const target of processes) signalProcess(target, "SIGTERM");
  const stubborn = await waitForEnd(processes, patienceMs);
  for (const target of stubborn) signalProcess(target, "SIGKILL");
  await waitForEnd(stubborn, 5000);
}

/**
 * Starts a program that outlives us: in a session of its own, nothing to read, output appended to a file.
 * @throws AppError("environment") when it cannot be started
 */
export async function startDetached(argv: readonly string[], logFile: string): Promise<ProcessIdentity> {
  const [file = "", ...args] = argv;
  // A file stream is handed over as its descriptor: what the child writes does not pass through us.
  const log = createWriteStream(logFile, { flags: "a" });
  await once(log, "open");
  const child = execa(file, args, {
    detached: true,
    cleanup: false,
    stdin: "ignore",
    stdout: log,
    stderr: log,
    buffer: false,
    reject: false,
  });
  log.close();
  child.nodeChildProcess.unref();
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity !== undefined) return identity;
  const result = await child;
  throw new AppError("environment", `${file} did not start: ${result.shortMessage ?? lastLines(logFile, 5)}`);
}

/** Runs a program to its end; 30 s at most. @throws AppError("environment") with what it said */
export async function run(argv: readonly string[]): Promise<string> {
  const [file = "", ...args] = argv;
  try {
    const result = await execa(file, args, { timeout: 30_000, stdin: "ignore" });
    return result.stdout;
  } catch (error) {
    const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    throw new AppError("environment", `\`${argv.join(" ")}\` failed: ${stderr || messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The program's full path, or undefined. The places where administration programs lie are searched too. */
export function findProgram(name: string, searchPath: string): string | undefined {
  return [...searchPath.split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    .filter((directory) => directory !== "")
    .map((directory) => path.join(directory, name))
    .find((file) => existsSync(file) && statSync(file).isFile());
}

/** The end of a text file, empty when it cannot be read. */
export function lastLines(file: string, count: number): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join("\n");
  } catch {
    return "";
  }
}
