import type { Row } from "./report.ts";

/** Where and with what it was measured. */
export type Machine = {
  takenAt: string;
  processor: string;
  cores: number;
  memoryMiB: number;
  kernel: string;
  system: string;
  /** Programs and their versions, ours among them. */
  versions: Readonly<Record<string, string>>;
  quick: boolean;
};

export type Report = { machine: Machine; rows: readonly Row[] };

/** How it is measured, below every report. */
const method =
  "Medians of the rounds, all servers one after the other in each; rounds: smallest and largest ratio. A core each for server and load. " +
  "Before it is measured every server, ours and theirs, works untimed for a moment, since V8 compiles what runs often.";

/** The report in Markdown, one table a suite, the machine below. */
export function renderReport({ machine, rows }: Report): string {
  const bySuite = Map.groupBy(rows, (row) => row.suite);
  const tables = [...bySuite].map(([suite, ofSuite]) => `### ${suite}\n\n${renderTable(ofSuite)}`);
  return `${[...tables, renderMachine(machine)].join("\n\n")}\n`;
}

const headings = ["", "ours", "rival", "", "ratio", "rounds"];

function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.unit === null ? row.case : `${row.case}, ${row.unit}`,
    figure(row.ours),
    figure(row.rival),
    row.note === undefined ? row.rivalName : `${row.rivalName}: ${row.note}`,
    row.ratio === null ? verdict(row) : `**${ratioText(row.ratio)}**`,
    rounds(row),
  ]);
  const lines = [
    headings,
    headings.map((_, index) => (index === 0 || index === 3 ? "---" : "---:")),
    ...cells,
  ];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** Where no ratio can be formed because one of the two is nothing at all. */
function verdict({ ours, rival }: Row): string {
  if (ours === null || rival === null) return "";
  return "∞";
}

function rounds({ spread, ratio }: Row): string {
  if (spread === null) return "";
  const text = ratio === null ? figure : ratioText;
  return `${text(spread[0])} to ${text(spread[1])}`;
}

function ratioText(ratio: number): string {
  if (ratio >= 100) return ratio.toFixed(0);
  return ratio >= 10 ? ratio.toFixed(1) : ratio.toFixed(2);
}

/** Three digits that matter, thousands apart. */
export function figure(value: number | null): string {
  if (value === null) return "–";
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const text = value.toFixed(Math.min(digits, 3));
  const [whole = "", rest] = text.split(".");
  const grouped = whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

function renderMachine({
  takenAt,
  processor,
  cores,
  memoryMiB,
  kernel,
  system,
  versions,
  quick,
}: Machine): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const gibibytes = (memoryMiB / 1024).toFixed(0);
  const place = `${processor}, ${cores} cores, ${gibibytes} GiB, ${system}, kernel ${kernel}`;
  return `${takenAt}${quick ? ", a quick run" : ""}; ${place}; ${programs.join(", ")}.\n\n${method}`;
}
