import type { Load } from "./contract.ts";

/** /proc/loadavg (proc(5)): `0.23 0.19 0.09 2/97 20443`. The task that reads the file is not counted as runnable. */
export function parseLoadAverage(text: string): Pick<Load, "average" | "runnable"> {
  const [one, five, fifteen, tasks] = text.split(" ");
  const runnable = Number.parseInt(tasks ?? "", 10);
  return {
    average: [numberOf(one), numberOf(five), numberOf(fifteen)],
    runnable: Math.max(0, (Number.isNaN(runnable) ? 1 : runnable) - 1),
  };
}

/** Bytes of one line of /proc/meminfo, whose "kB" are 1024 bytes; 0 when there is no such line. */
export function parseMemory(text: string, name: "MemTotal" | "MemAvailable"): number {
  const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
  return numberOf(kibibytes) * 1024;
}

/** Clock ticks since the start, of all processors together. */
export type CpuTimes = { busy: number; total: number };

/**
 * The first line of /proc/stat (proc(5)): user nice system idle iowait irq softirq steal guest guest_nice. Guests' time is
 * in user and nice already. Waiting for a disk is idle: another job could run.
 */
export function parseCpuTimes(text: string): CpuTimes {
  const fields = (/^cpu +([\d ]+)$/m.exec(text)?.[1] ?? "").split(" ").slice(0, 8).map(numberOf);
  const total = fields.reduce((sum, ticks) => sum + ticks, 0);
  const [, , , idle = 0, iowait = 0] = fields;
  return { busy: total - idle - iowait, total };
}

/** Share of the time between two readings that was not idle, 0 to 1. Counters of a guest may run backwards. */
export function busyShare(before: CpuTimes, now: CpuTimes): number {
  const total = now.total - before.total;
  if (total <= 0) return 0;
  const share = (now.busy - before.busy) / total;
  return Math.round(Math.min(1, Math.max(0, share)) * 1000) / 1000;
}

function numberOf(text: string | undefined): number {
  const value = Number(text);
  return text === undefined || Number.isNaN(value) ? 0 : value;
}
