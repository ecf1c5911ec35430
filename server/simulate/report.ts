import { foldNames } from "../model/node-range.ts";
import { type WalkFirmware, walkFirmwares, type WalkPhase, walkPhases } from "./effects.ts";
import type { WalkOutcome } from "./spec.ts";

/** What `provision simulate --json` prints. Times in milliseconds, sizes in bytes. */
export type SimulationReport = {
  machines: number;
  up: number;
  failed: number;
  firmware: Readonly<Record<WalkFirmware, number>>;
  /** The same seed gives the same machines, arrivals and numbers. */
  seed: number;
  /** First power-on to last end. */
  durationMs: number;
  machinesPerSecond: number;
  bytes: number;
  bytesPerSecond: number;
  /** Packets sent again because nothing came. */
  repeats: number;
  /** Machines that the head's scripts made wait, and how long. */
  told: { machines: number } & Distribution;
  /** Waiting for the head, by phase. */
  phases: readonly ({ phase: WalkPhase; count: number } & Distribution)[];
  /** Power on to up, the firmware's own pauses included; of machines that came up. */
  total: Distribution;
  failures: readonly { phase: WalkPhase; message: string; hint?: string; machines: string; count: number }[];
  /** What the machines' own process cost. */
  walkerCpuMs: number;
  /** Absent for a head that is somewhere else. */
  head?: HeadCost;
  /** What was not as on the rack. */
  notes: readonly string[];
};

export type Distribution = { p50Ms: number; p99Ms: number; maxMs: number };

export type HeadCost = {
  cpuMs: number;
  /** For each machine that came up. */
  cpuMsPerMachine: number;
  residentBeforeBytes: number;
  residentPeakBytes: number;
  residentBytesPerMachine: number;
  /** Machines whose boot the head itself has on record with all its steps, and those that it has not. */
  onRecord: number;
  notOnRecord: string;
};

export type ReportInput = {
  outcomes: readonly WalkOutcome[];
  seed: number;
  durationMs: number;
  walkerCpuMs: number;
  head?: {
    cpuMs: number;
    residentBeforeBytes: number;
    residentPeakBytes: number;
    onRecord: ReadonlySet<string>;
  };
  notes: readonly string[];
};

/** Sums a simulation up. */
export function reportOf(input: ReportInput): SimulationReport {
  const { outcomes, durationMs, seed, walkerCpuMs, notes, head } = input;
  const up = outcomes.filter(({ failure }) => failure === undefined);
  const bytes = outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0);
  const told = outcomes.filter(({ toldMs }) => toldMs > 0);
  const seconds = Math.max(durationMs, 1) / 1000;
  return {
    machines: outcomes.length,
    up: up.length,
    failed: outcomes.length - up.length,
    firmware: Object.fromEntries(
      walkFirmwares.map((kind) => [kind, outcomes.filter(({ firmware }) => firmware === kind).length]),
    ) as Record<WalkFirmware, number>,
    seed,
    durationMs,
    machinesPerSecond: up.length / seconds,
    bytes,
    bytesPerSecond: bytes / seconds,
    repeats: outcomes.reduce((sum, outcome) => sum + outcome.repeats, 0),
    told: { machines: told.length, ...distributionOf(told.map(({ toldMs }) => toldMs)) },
    phases: walkPhases.flatMap((phase) => {
      const times = outcomes.flatMap(({ phaseMs }) => phaseMs[phase] ?? []);
      return times.length === 0 ? [] : [{ phase, count: times.length, ...distributionOf(times) }];
    }),
    total: distributionOf(up.map(({ totalMs }) => totalMs)),
    failures: failuresOf(outcomes),
    walkerCpuMs,
    ...(head === undefined ? {} : { head: headCost(head, up) }),
    notes: [...notes, ...saturation(walkerCpuMs, durationMs)],
  };
}

/** Of one processor: from here on packets wait for the process that plays the machines, not for the head. */
const busyShare = 0.8;

function saturation(walkerCpuMs: number, durationMs: number): string[] {
  if (durationMs < 1000 || walkerCpuMs < busyShare * durationMs) return [];
  const share = Math.round((100 * walkerCpuMs) / durationMs);
  return [`the process that plays the machines was at ${share} % of a processor: the times are its own, too`];
}

function headCost(head: NonNullable<ReportInput["head"]>, up: readonly WalkOutcome[]): HeadCost {
  const { cpuMs, residentBeforeBytes, residentPeakBytes, onRecord } = head;
  const count = Math.max(up.length, 1);
  const missing = up.filter(({ name }) => !onRecord.has(name)).map(({ name }) => name);
  return {
    cpuMs,
    cpuMsPerMachine: cpuMs / count,
    residentBeforeBytes,
    residentPeakBytes,
    residentBytesPerMachine: Math.max(0, residentPeakBytes - residentBeforeBytes) / count,
    onRecord: up.length - missing.length,
    notOnRecord: foldNames(missing),
  };
}

/** The same fault of many machines is one line: their own names and addresses in it are left out of the comparison. */
function failuresOf(outcomes: readonly WalkOutcome[]): SimulationReport["failures"] {
  const failed = outcomes.filter(({ failure }) => failure !== undefined);
  const groups = Map.groupBy(
    failed,
    ({ phase, failure }) => `${phase} ${impersonal(failure?.message ?? "")}`,
  );
  return [...groups.values()]
    .map((group) => {
      const [first] = group;
      const hint = first?.failure?.hint;
      return {
        phase: first?.phase ?? "address",
        message: first?.failure?.message ?? "",
        ...(hint === undefined ? {} : { hint }),
        machines: foldNames(group.map(({ name }) => name)),
        count: group.length,
      };
    })
    .sort((left, right) => right.count - left.count);
}

function impersonal(message: string): string {
  return message.replaceAll(/[0-9a-f]{2}([:-][0-9a-f]{2}){5}|\b[0-9a-f]{16}\b|\b[a-z]*\d[\w.]*/gi, "*");
}

/** By nearest rank; zeros where there is nothing. */
export function distributionOf(values: readonly number[]): Distribution {
  const sorted = [...values].sort((left, right) => left - right);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: sorted.at(-1) ?? 0 };
}
