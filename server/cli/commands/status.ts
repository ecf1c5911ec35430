import type { Command } from "commander";
import type { PartStatus, StatusAnswer } from "../../model/answers.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatAge, formatTime } from "../format.ts";
import type { Surroundings } from "../run.ts";
import { type Column, renderFields, renderTable } from "../table.ts";
import type { Style, Terminal } from "../terminal.ts";

const text: CommandText = {
  summary: "say whether the head runs, how its parts are, and count what it has",
  description: `Says whether the head runs, on which interface, how each of its parts is (DHCP, TFTP, HTTP, the NFS server, the database, the schedules) and what they counted, and how many nodes stand where. Where no head runs it says so and counts what is in the store.`,
  examples: [
    ["provision status", "the head and its parts"],
    [
      "provision status --json | jq -r '.parts[] | select(.state != \"running\").name'",
      "parts that do not run",
    ],
  ],
  exitStatus: [
    "0  the head runs, and every part with it",
    "1  no head runs, or a part has failed or is being restarted",
    "2  wrong usage, or a malformed configuration",
  ],
};

/** `provision status` */
export function addStatus(program: Command, surroundings: Surroundings): void {
  const command = define(program, "status", text);
  act(command, text, "reads", surroundings, async (run) => {
    const answer = await run.head((head) => head.status());
    if (run.options.json === true) run.json(answer);
    else run.terminal.out(describe(answer, run.terminal));
    return answer.running && answer.parts.every((part) => !isTrouble(part.state)) ? 0 : 1;
  });
}

function isTrouble(state: PartStatus["state"]): boolean {
  return state === "failed" || state === "backing-off";
}

function describe(answer: StatusAnswer, terminal: Terminal): string {
  const { paint } = terminal;
  const since = `${formatAge(answer.startedAtMs, Date.now())}, ${formatTime(answer.startedAtMs)}`;
  const head = answer.running
    ? `${paint("green", "running")}, process ${answer.pid}, started ${since}`
    : `${paint("red", "no head is running")} (try: provision serve)`;
  const nodes = Object.entries(answer.nodes).map(([phase, count]) => `${count} ${phase}`);
  const fields: (readonly [string, string])[] = [
    ["head", head],
    ["version", answer.version],
    ["configuration", answer.config],
    ["serves", `${answer.interface}, ${answer.address} in ${answer.subnet}, ${addressesOf(answer)}`],
    ...answer.networks.map(
      ({ subnet, wire, pool }) =>
        ["and", `${subnet} on ${wire}, ${pool === undefined ? "no pool" : `pool ${pool}`}`] as const,
    ),
    ["nodes", nodes.join(", ") || "none"],
    ["unknown machines", String(answer.unknownMachines)],
    ["leases", String(answer.leases)],
    ["image versions", String(answer.images)],
  ];
  const parts = answer.running ? ["", renderTable(partColumns, answer.parts, terminal)] : [];
  return [renderFields(fields, paint), ...parts].join("\n");
}

function addressesOf({ pool }: StatusAnswer): string {
  return pool === undefined ? "addresses by another DHCP server" : `pool ${pool}`;
}

const stateStyles: Readonly<Record<PartStatus["state"], Style>> = {
  running: "green",
  starting: "yellow",
  "backing-off": "red",
  failed: "red",
  stopped: "dim",
};

const partColumns: readonly Column<PartStatus>[] = [
  { title: "PART", value: (part) => part.name },
  { title: "STATE", value: (part) => part.state, style: (part) => stateStyles[part.state] },
  { title: "DETAIL", value: (part) => part.detail || "-", least: 20 },
  {
    title: "COUNTED",
    value: ({ counters }) =>
      Object.entries(counters)
        .filter(([, count]) => count !== 0)
        .map(([name, count]) => `${name} ${count}`)
        .join(", ") || "-",
    least: 10,
  },
];
