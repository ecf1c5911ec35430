import { readFileSync, writeFileSync } from "node:fs";

/** What a process has used so far: all of its threads. */
export type ProcessUse = { cpuMs: number; residentBytes: number; residentPeakBytes: number };

/** The kernel counts for programs in hundredths of a second (USER_HZ), whatever its own clock. */
const tickMs = 10;

/** Reads /proc/PID/stat (fields 14 and 15) and /proc/PID/status (proc(5)). */
export function readProcessUse(pid: number): ProcessUse {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kibibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1024;
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs,
    residentBytes: kibibytes("VmRSS"),
    residentPeakBytes: kibibytes("VmHWM"),
  };
}

/** From now on the peak is counted anew. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
