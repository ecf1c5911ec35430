import type { LabNode, LabStatus, MachineState } from "../lab/status.ts";
import { stepsDone } from "../lab/status.ts";
import { bootSteps } from "../model/phase.ts";
import { formatDuration } from "./format.ts";
import { phaseStyle } from "./phase-style.ts";
import { type Column, renderTable } from "./table.ts";
import type { Style, Terminal } from "./terminal.ts";

type Report = {
  progress: (status: LabStatus, elapsedMs: number) => void;
  say: (line: string) => void;
};

/**
 * How far each node of a lab is, on standard error: on a terminal a table that is drawn over and over, elsewhere a line
 * whenever a node gets on.
 */
export function createLabReport(terminal: Terminal): Report {
  const say = (line: string): void => terminal.err(line);
  if (terminal.progress === undefined) return { say, progress: plainProgress(terminal) };
  let drawn = 0;
  return {
    say,
    progress: (status, elapsedMs) => {
      const table = renderTable(liveColumns, status.nodes, terminal);
      const text = `${table}\n${terminal.paint("dim", waitingLine(status, elapsedMs))}`;
      // Up to where the last table begins, and away with everything below.
      terminal.err(drawn === 0 ? text : `\u001B[${drawn}A\u001B[J${text}`);
      drawn = text.split("\n").length;
    },
  };
}

function waitingLine({ nodes }: LabStatus, elapsedMs: number): string {
  const up = nodes.filter(({ state }) => state === "up").length;
  return `${up} of ${nodes.length} up after ${formatDuration(Math.floor(elapsedMs / 1000) * 1000)}`;
}

function plainProgress(terminal: Terminal): Report["progress"] {
  const shown = new Map<string, MachineState>();
  return ({ nodes }, elapsedMs) => {
    for (const { name, firmware, state } of nodes) {
      if (shown.get(name) === state) continue;
      shown.set(name, state);
      const seconds = (elapsedMs / 1000).toFixed(0).padStart(4);
      terminal.err(`${seconds} s  ${name} (${firmware})  ${state}`);
    }
  };
}

/** The lab as it stands. */
export function describeLab(status: LabStatus, terminal: Terminal): string {
  const { paint } = terminal;
  const head = status.head === "running" ? paint("green", "running") : paint("red", "stopped");
  return [
    `head ${head}, namespace ${status.namespace}, files in ${status.directory}; machines run with ${status.accelerator.toUpperCase()} (${status.acceleratorReason})`,
    renderTable(statusColumns, status.nodes, terminal),
    paint("dim", "seconds are from power on to the step"),
  ].join("\n");
}

function stateStyle(state: MachineState): Style {
  if (state === "off" || state === "unwatched") return "red";
  return state === "unregistered" ? "yellow" : phaseStyle(state);
}

const nameColumns: readonly Column<LabNode>[] = [
  {
    title: "NODE",
    value: ({ name, node }) => (node === undefined || node === name ? name : `${name} (${node})`),
  },
  { title: "FIRMWARE", value: ({ firmware }) => firmware },
  { title: "STATE", value: ({ state }) => state, style: ({ state }) => stateStyle(state) },
];

const liveColumns: readonly Column<LabNode>[] = [
  ...nameColumns,
  { title: "PROGRESS", value: ({ state }) => bar(stepsDone(state)), style: ({ state }) => stateStyle(state) },
  {
    title: "SECONDS",
    value: ({ phaseSeconds }) => Math.max(0, ...Object.values(phaseSeconds)).toFixed(0),
    align: "right",
  },
];

function bar(done: number): string {
  return `${"█".repeat(done * 2)}${"░".repeat((bootSteps.length - done) * 2)}`;
}

const statusColumns: readonly Column<LabNode>[] = [
  ...nameColumns,
  ...bootSteps.map((step): Column<LabNode> => ({
    title: step.toUpperCase(),
    value: ({ phaseSeconds }) => phaseSeconds[step]?.toFixed(0) ?? "-",
    align: "right",
  })),
];
