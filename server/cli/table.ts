import { stripVTControlCharacters } from "node:util";
import type { Style, Terminal } from "./terminal.ts";

export type Column<Row> = {
  title: string;
  value: (row: Row) => string;
  style?: (row: Row) => Style | undefined;
  align?: "right";
  /** Fewest characters it may be cut to on a narrow terminal; absent: it is never cut. */
  least?: number;
};

const gap = "  ";

/** Aligned columns under a line of titles; cut to the terminal's width, and never cut where there is no terminal. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { columns: terminalWidth, paint }: Pick<Terminal, "columns" | "paint">,
): string {
  const cells = rows.map((row) => columns.map((column) => clean(column.value(row))));
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  const cut = terminalWidth === undefined ? widths : fit(widths, columns, terminalWidth);
  const last = columns.length - 1;
  const fill = (text: string, index: number): string => {
    const shown = shorten(text, cut[index] ?? 0);
    if (columns[index]?.align === "right") return shown.padStart(cut[index] ?? 0);
    return index === last ? shown : shown.padEnd(cut[index] ?? 0);
  };
  const header = columns.map(({ title }, index) => paint("bold", fill(title, index)));
  const lines = cells.map((line, rowIndex) =>
    line.map((cell, index) => {
      const row = rows[rowIndex];
      const style = row === undefined ? undefined : columns[index]?.style?.(row);
      return style === undefined ? fill(cell, index) : paint(style, fill(cell, index));
    }),
  );
  return [header, ...lines].map((line) => line.join(gap)).join("\n");
}

/** Names and values beside each other, for the one thing that a command shows; values may have several lines. */
export function renderFields(
  fields: readonly (readonly [string, string])[],
  paint: Terminal["paint"],
): string {
  const width = Math.max(...fields.map(([name]) => name.length)) + gap.length;
  return fields
    .map(([name, value]) => {
      const lines = value
        .split("\n")
        .map(clean)
        .join(`\n${" ".repeat(width)}`);
      return paint("bold", name.padEnd(width)) + lines;
    })
    .join("\n");
}

/** Text from machines must not steer the terminal: control characters are shown as `?`. */
function clean(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/\p{Cc}/gu, "?");
}

function shorten(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
}

/** Takes from the widest column that may be cut, until the table fits or nothing can be taken any more. */
function fit<Row>(
  widths: readonly number[],
  columns: readonly Column<Row>[],
  terminalWidth: number,
): readonly number[] {
  const cut = [...widths];
  let excess = cut.reduce((sum, width) => sum + width + gap.length, -gap.length) - terminalWidth;
  for (; excess > 0; excess -= 1) {
    let widest = -1;
    for (const [index, { least }] of columns.entries()) {
      const width = cut[index] ?? 0;
      if (least !== undefined && width > least && width > (cut[widest] ?? 0)) widest = index;
    }
    if (widest === -1) break;
    cut[widest] = (cut[widest] ?? 0) - 1;
  }
  return cut;
}
