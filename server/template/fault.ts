import { AppError, messageOf } from "../lib/errors.ts";

/**
 * What Handlebars threw, as an error with a place. Its messages come in three forms:
 *
 *     Parse error on line 3:\n{{#if x}}\n---------^\nExpecting 'INVERSE', got 'EOF'
 *     "domain" not defined in [object Object] - 2:14
 *     if doesn't match each - 2:3
 */
export function templateFault(error: unknown, place: string): AppError {
  const { line, message } = readMessage(messageOf(error));
  return new AppError("invalid", `the template ${place} cannot be rendered`, {
    faults: [{ place: line === undefined ? place : `${place}:${line}`, message }],
    cause: error,
  });
}

function readMessage(text: string): { line?: number; message: string } {
  const parse = /^Parse error on line (\d+):\n(?<source>[^\n]*)/.exec(text);
  if (parse) {
    return { line: Number(parse[1]), message: `no well-formed Handlebars near: ${parse.groups?.["source"]}` };
  }
  const located = /^(?<what>.*) - (?<line>\d+):\d+$/s.exec(text);
  const what = located?.groups?.["what"] ?? text;
  const missing = /^"(?<name>.*)" not defined in /s.exec(what);
  const unknownHelper = /used the unknown helper (?<name>.*)$/.exec(what);
  let message = what;
  if (missing) message = `there is no variable "${missing.groups?.["name"]}" here`;
  if (unknownHelper) message = `there is no helper "${unknownHelper.groups?.["name"]}"`;
  const line = located?.groups?.["line"];
  return line === undefined ? { message } : { line: Number(line), message };
}
