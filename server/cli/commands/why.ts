import type { Command } from "commander";
import type { WhyAnswer, WhyStep } from "../../model/answers.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatBytes, formatDuration, formatTime } from "../format.ts";
import { phaseStyle } from "../phase-style.ts";
import type { Surroundings } from "../run.ts";
import { type Column, renderTable } from "../table.ts";
import type { Style, Terminal } from "../terminal.ts";

const text: CommandText = {
  summary: "say what a machine's last boot did, where it stopped, and what to try",
  description: `Says in words what the last boot of a node did, or of a machine that is in no node: where it stands, or where it stopped and why, each step with its time, bytes and duration, and what to try. The record outlives restarts of the head.`,
  examples: [
    ["provision why n001", "a node"],
    ["provision why 52:54:00:aa:00:07", "a machine that is not in the inventory, by its MAC address"],
    ["provision why n001 --json | jq -r .summary", "the one sentence"],
  ],
  exitStatus: [
    "0  the question was answered, whatever the answer",
    "1  nothing is known of that name or MAC address, or the head could not be asked",
    "2  wrong usage",
  ],
};

/** `provision why` */
export function addWhy(program: Command, surroundings: Surroundings): void {
  const command = define(program, "why", text).argument("<node>", "name of a node, or a MAC address");
  act(command, text, "reads", surroundings, async (run, subject = "") => {
    const answer = await run.head((head) => head.why(subject));
    if (run.options.json === true) run.json(answer);
    else run.terminal.out(describe(answer, run.terminal));
  });
}

function describe(answer: WhyAnswer, terminal: Terminal): string {
  const { paint } = terminal;
  const bullets = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ["", paint("bold", title), ...lines.map((line) => `  ${line}`)];
  const steps = answer.steps.length === 0 ? [] : ["", renderTable(stepColumns, answer.steps, terminal)];
  return [
    paint(phaseStyle(answer.phase), answer.summary),
    ...steps,
    ...bullets("Found out:", answer.findings),
    ...bullets("Try:", answer.tryNext),
  ].join("\n");
}

const stateStyles: Readonly<Record<WhyStep["state"], Style>> = {
  done: "green",
  failed: "red",
  missing: "dim",
  waiting: "yellow",
};

const stepColumns: readonly Column<WhyStep>[] = [
  { title: "STEP", value: (step) => step.step },
  { title: "STATE", value: (step) => step.state, style: (step) => stateStyles[step.state] },
  { title: "WHEN", value: (step) => (step.atMs === undefined ? "-" : formatTime(step.atMs)) },
  {
    title: "+SECONDS",
    value: (step) => (step.sinceStartMs === undefined ? "-" : `+${(step.sinceStartMs / 1000).toFixed(1)}`),
    align: "right",
  },
  {
    title: "BYTES",
    value: (step) => (step.bytes === undefined ? "-" : formatBytes(step.bytes)),
    align: "right",
  },
  {
    title: "TOOK",
    value: (step) => (step.durationMs === undefined ? "-" : formatDuration(step.durationMs)),
    align: "right",
  },
  { title: "WHAT", value: (step) => step.text, least: 20 },
];
