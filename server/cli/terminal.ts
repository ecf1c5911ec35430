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
  /**
   * Writes lines over those that it wrote last, to standard error; no text takes them away. The lines must fit into
   * `width`. Undefined where standard error is no terminal.
   */
  progress: { show: (text: string) => void; width: number } | undefined;
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
    progress: stderr.isTTY === true ? overwriting(stderr) : undefined,
    columns: stdout.isTTY === true ? (stdout.columns ?? 80) : undefined,
    interactive: stdin.isTTY === true && stdout.isTTY === true,
    paint: (style, text) => (colored ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** ECMA-48: CUU goes up to the first of the lines written last, ED clears from there. */
function overwriting(stream: Output): NonNullable<Terminal["progress"]> {
  let lines = 1;
  return {
    width: stream.columns ?? 80,
    show: (text) => {
      const up = lines > 1 ? `\u001B[${lines - 1}A` : "";
      stream.write(`\r${up}\u001B[J${text}`);
      lines = text.split("\n").length;
    },
  };
}
