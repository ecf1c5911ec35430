import { styleText } from "node:util";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export const colorChoices = ["auto", "always", "never"] as const;
export type ColorChoice = (typeof colorChoices)[number];

/** Where a command's answer goes. */
export type Terminal = {
  /** Writes lines to standard output. */
  out: (text: string) => void;
  /** Writes lines to standard error: everything that is not the answer itself. */
  err: (text: string) => void;
  /** Replaces the line written last by `progress`; undefined where standard error is no terminal. */
  progress: ((line: string) => void) | undefined;
  /** Width that tables are cut to; undefined where standard output is no terminal. */
  columns: number | undefined;
  /** True when somebody is there to answer a question. */
  interactive: boolean;
  paint: (style: Style, text: string) => string;
};

type Output = { isTTY?: boolean; columns?: number; write: (text: string) => unknown };
export type Streams = { stdin: { isTTY?: boolean }; stdout: Output; stderr: Output };

/** Colour is for people: only on a terminal, unless asked for, and never where NO_COLOR is set (no-color.org). */
export function createTerminal(streams: Streams, choice: ColorChoice, noColor: boolean): Terminal {
  const { stdin, stdout, stderr } = streams;
  const colored = choice === "always" || (choice === "auto" && stdout.isTTY === true && !noColor);
  return {
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    progress: stderr.isTTY === true ? (line) => void stderr.write(`\r\u001B[K${line}`) : undefined,
    columns: stdout.isTTY === true ? (stdout.columns ?? 80) : undefined,
    interactive: stdin.isTTY === true && stdout.isTTY === true,
    paint: (style, text) => (colored ? styleText(style, text, { validateStream: false }) : text),
  };
}
