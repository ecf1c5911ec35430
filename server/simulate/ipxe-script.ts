import { BootFailure } from "./effects.ts";

/** One command of a line, and when it runs: always the first, the others after success (`&&`) or failure (`||`). */
export type Command = { when: "first" | "&&" | "||"; words: readonly string[] };

export type ScriptLine = { line: number; text: string; label?: string; commands: readonly Command[] };

export type Script = { lines: readonly ScriptLine[]; labels: ReadonlyMap<string, number> };

/** The commands that our templates use, with how many arguments they take at least and at most. */
const arities: Readonly<Record<string, readonly [number, number]>> = {
  echo: [0, Number.POSITIVE_INFINITY],
  goto: [1, 1],
  sleep: [1, 1],
  imgfree: [0, Number.POSITIVE_INFINITY],
  kernel: [1, Number.POSITIVE_INFINITY],
  initrd: [1, Number.POSITIVE_INFINITY],
  chain: [1, Number.POSITIVE_INFINITY],
  boot: [0, 0],
};

/** Larger is no script of ours. */
const maxLines = 10_000;

/**
 * Reads an iPXE script as iPXE does: words between blanks, no quotes, `||` and `&&` between commands. What our templates
 * do not use is not known here: BootFailure names the line.
 */
export function parseScript(text: string): Script {
  const rows = text.split(/\r?\n/);
  if (rows[0]?.trimEnd() !== "#!ipxe") {
    throw new BootFailure("what came is no iPXE script: it does not begin with `#!ipxe`");
  }
  if (rows.length > maxLines) throw new BootFailure(`a boot script of ${rows.length} lines`);
  const labels = new Map<string, number>();
  const lines: ScriptLine[] = [];
  for (const [index, row] of rows.entries()) {
    const trimmed = row.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const parsed = parseLine(trimmed, index + 1);
    if (parsed.label !== undefined) labels.set(parsed.label, lines.length);
    lines.push(parsed);
  }
  return { lines, labels };
}

function parseLine(text: string, line: number): ScriptLine {
  if (text.startsWith(":")) return { line, text, label: text.slice(1).trim(), commands: [] };
  if (text.includes("${")) {
    throw new BootFailure(`line ${line} of the boot script uses a setting, which is not simulated: ${text}`);
  }
  const commands: { when: Command["when"]; words: string[] }[] = [{ when: "first", words: [] }];
  for (const word of text.split(/\s+/)) {
    if (word === "||" || word === "&&") commands.push({ when: word, words: [] });
    else commands.at(-1)?.words.push(word);
  }
  for (const { words } of commands) checkCommand(words, line, text);
  return { line, text, commands };
}

function checkCommand(words: readonly string[], line: number, text: string): void {
  const [name = "", ...rest] = words;
  const arity = Object.hasOwn(arities, name) ? arities[name] : undefined;
  if (arity === undefined) {
    throw new BootFailure(`line ${line} of the boot script has a command that is not simulated: ${text}`);
  }
  if (rest.length < arity[0] || rest.length > arity[1]) {
    throw new BootFailure(`line ${line} of the boot script: \`${name}\` cannot take that: ${text}`);
  }
  if (name === "sleep" && !/^\d{1,6}$/.test(rest[0] ?? "")) {
    throw new BootFailure(`line ${line} of the boot script: how long to sleep? ${text}`);
  }
}

/** The arguments of a command that fetches: its options, the URL, and what follows it. */
export function readFetch(words: readonly string[]): {
  name?: string;
  replace: boolean;
  url: string;
  rest: string[];
} {
  let at = 1;
  let name: string | undefined;
  let replace = false;
  for (; words[at]?.startsWith("-") === true; at += 1) {
    const word = words[at];
    if (word === "--name" || word === "-n") {
      at += 1;
      name = words[at] ?? "";
    } else if (word === "--replace" || word === "-r") replace = true;
    else if (word !== "--autofree" && word !== "-a")
      throw new BootFailure(`\`${words[0]} ${word}\` is not simulated`);
  }
  const url = words[at];
  if (url === undefined) throw new BootFailure(`\`${words.join(" ")}\` names nothing to fetch`);
  return { ...(name === undefined ? {} : { name }), replace, url, rest: words.slice(at + 1) };
}
