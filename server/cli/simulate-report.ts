import { type Clock, systemClock } from "../lib/clock.ts";
import { type WalkPhase, walkPhases } from "../simulate/effects.ts";
import type { SimulationReport } from "../simulate/report.ts";
import type { Simulation } from "../simulate/simulate.ts";
import type { TranscriptEntry, WalkLine } from "../simulate/spec.ts";
import { formatBytes, formatDuration } from "./format.ts";
import { type Column, renderFields, renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export type SimulationDisplay = {
  heard: (line: WalkLine, machines: number) => void;
  say: (line: string) => void;
  end: () => void;
};

/** Where there is no terminal to write over, a line so often: a log shows life. */
const plainIntervalMs = 10_000;

/**
 * Shows a simulation as it goes on: one machine's packets on standard output, many machines' progress on standard error. With
 * `json` nothing is said but on a terminal.
 */
export function createSimulationDisplay(
  terminal: Terminal,
  json: boolean,
  clock: Clock = systemClock,
): SimulationDisplay {
  let outcomes = 0;
  let failed = 0;
  let shown = false;
  let plainAtMs = clock.nowMs();
  const tell = (phases: Readonly<Partial<Record<WalkPhase, number>>>, machines: number): void => {
    const summary = `${outcomes - failed} up, ${failed} failed, of ${machines}`;
    const text = `${summary}   ${walkPhases.map((phase) => `${phase} ${phases[phase] ?? 0}`).join("  ")}`;
    if (terminal.progress !== undefined) {
      terminal.progress.show(text.slice(0, terminal.progress.width));
      shown = true;
    } else if (!json && clock.nowMs() - plainAtMs >= plainIntervalMs) {
      plainAtMs = clock.nowMs();
      terminal.err(text);
    }
  };
  return {
    say: (line) => {
      if (!json || terminal.progress !== undefined) terminal.err(line);
    },
    heard: (line, machines) => {
      if (line.line === "entry" && !json) terminal.out(transcriptText(line, terminal.paint));
      if (line.line === "outcome") {
        outcomes += 1;
        if (line.failure !== undefined) failed += 1;
      }
      if (line.line === "progress" && machines > 1) tell(line.phases, machines);
    },
    end: () => {
      if (shown) terminal.progress?.show("");
    },
  };
}

const colors = { ">": "cyan", "<": "green", "-": "dim" } as const;

function transcriptText(
  { atMs, entry }: { atMs: number; entry: TranscriptEntry },
  paint: Terminal["paint"],
): string {
  const { mark, title, text = "" } = entry;
  const time = (atMs / 1000).toFixed(3).padStart(8);
  const lines = text === "" ? [] : text.trimEnd().split("\n");
  return [
    paint(colors[mark], `${time} ${mark} ${clean(title)}`),
    ...lines.map((line) => `             ${clean(line)}`),
  ].join("\n");
}

/** What comes by the wire must not steer the terminal. */
function clean(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => (character === "\t" ? "  " : "?"));
}

type Phase = SimulationReport["phases"][number];

const time = (pick: (row: Phase) => number): ((row: Phase) => string) => {
  return (row) => formatMs(pick(row));
};

const columns: readonly Column<Phase>[] = [
  { title: "PHASE", value: ({ phase }) => phase },
  { title: "MACHINES", value: ({ count }) => String(count), align: "right" },
  { title: "P50", value: time(({ p50Ms }) => p50Ms), align: "right" },
  { title: "P99", value: time(({ p99Ms }) => p99Ms), align: "right" },
  { title: "MAX", value: time(({ maxMs }) => maxMs), align: "right" },
];

/** The report for people. */
export function describeSimulation({ report, why }: Simulation, terminal: Terminal): string {
  const { paint } = terminal;
  const summary = `${report.up} of ${report.machines} ${report.machines === 1 ? "machine" : "machines"} up in ${formatDuration(report.durationMs)}`;
  return [
    paint(report.failed === 0 ? "green" : "red", summary),
    ...(report.machines === 1 ? [] : [renderTable(columns, report.phases, terminal)]),
    ...report.failures.map(({ phase, message, hint, machines, count }) => {
      const many = count === 1 ? machines : `${count} machines, ${machines}`;
      const help = hint === undefined ? "" : `\n    try: ${hint}`;
      return `${paint("red", `failed at ${phase}`)}: ${many}\n    ${clean(message)}${help}`;
    }),
    ...(why === undefined ? [] : [whyText(why)]),
    renderFields(fieldsOf(report), paint),
    report.notes.map((note) => paint("dim", `note: ${note}`)).join("\n"),
  ].join("\n\n");
}

function whyText({ summary, findings, tryNext }: NonNullable<Simulation["why"]>): string {
  return [
    `the head says: ${summary}`,
    ...findings.map((finding) => `    ${finding}`),
    ...tryNext.map((next) => `    try: ${next}`),
  ].join("\n");
}

function fieldsOf(report: SimulationReport): (readonly [string, string])[] {
  const { total, told, head } = report;
  const fields: (readonly [string, string])[] = [
    [
      "power on to up",
      `p50 ${formatMs(total.p50Ms)}, p99 ${formatMs(total.p99Ms)}, max ${formatMs(total.maxMs)}`,
    ],
    [
      "throughput",
      `${report.machinesPerSecond.toFixed(1)} machines/s, ${formatBytes(Math.round(report.bytesPerSecond))}/s`,
    ],
    ["fetched", `${formatBytes(report.bytes)}; ${report.repeats} packets were sent again`],
  ];
  if (told.machines > 0) {
    fields.push([
      "told to wait",
      `${told.machines} machines, p50 ${formatMs(told.p50Ms)}, max ${formatMs(told.maxMs)}`,
    ]);
  }
  if (head === undefined) return fields;
  const missing = head.notOnRecord === "" ? "" : `; not of ${head.notOnRecord}`;
  return [
    ...fields,
    [
      "head's processor",
      `${head.cpuMsPerMachine.toFixed(1)} ms a machine, ${formatDuration(head.cpuMs)} in all`,
    ],
    [
      "head's memory",
      `${formatBytes(head.residentBeforeBytes)} before, ${formatBytes(head.residentPeakBytes)} at most: ${formatBytes(Math.round(head.residentBytesPerMachine))} a machine`,
    ],
    ["head's record", `every step of ${head.onRecord} ${head.onRecord === 1 ? "boot" : "boots"}${missing}`],
    ["machines' process", `${formatDuration(report.walkerCpuMs)} of processor time`],
  ];
}

/** Milliseconds to a tenth below a second. */
function formatMs(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
