import { type Command, InvalidArgumentError, Option } from "commander";
import { Run, type SharedOptions, type Surroundings } from "./run.ts";
import { type ColorChoice, colorChoices } from "./terminal.ts";

/** What a command's help says, besides its arguments and flags. */
export type CommandText = {
  /** One line of `provision --help`. */
  summary: string;
  /** What it does, in paragraphs. */
  description: string;
  /** Command lines as one would type them, each with what it does. */
  examples: readonly (readonly [string, string])[];
  /** Lines of the exit status section that differ from the usual. */
  exitStatus?: readonly string[];
};

/** `reads` brings --json, `changes` --dry-run and --json. */
export type CommandKind = "reads" | "changes" | "other";

const generalOptions = "General options:";

const usualExitStatus: Readonly<Record<CommandKind, readonly string[]>> = {
  reads: [
    "0  all right",
    "1  failed, or something named was not found",
    "2  wrong usage, or a malformed value",
  ],
  changes: [
    "0  all done",
    "1  failed, for some or all of what was named",
    "2  wrong usage or an invalid value; nothing was changed",
  ],
  other: ["0  all right", "1  failed", "2  wrong usage, or a malformed value"],
};

/** A command below `parent`; its flags are added to what comes back, then `act` completes it. */
export function define(parent: Command, nameAndArguments: string, text: CommandText): Command {
  return parent.command(nameAndArguments).summary(text.summary).description(text.description);
}

/** Adds the shared flags and the end of the help, and what the command does. A handler may return its exit status. */
export function act<Options extends object>(
  command: Command,
  text: CommandText,
  kind: CommandKind,
  surroundings: Surroundings,
  handler: (run: Run<Options>, ...args: string[]) => Promise<number | void> | number | void,
): void {
  if (kind === "changes") {
    command.addOption(
      new Option("-n, --dry-run", "check everything and say what would change; change nothing"),
    );
  }
  addGeneralOptions(command, kind !== "other");
  command.addHelpText("after", endOfHelp(text, kind));
  command.action(async (...args: unknown[]) => {
    const named = args.slice(0, command.registeredArguments.length).flat();
    const run = new Run<Options>(surroundings, command.optsWithGlobals<Options & SharedOptions>());
    const status = await handler(run, ...(named as string[]));
    if (status !== undefined) surroundings.setExitStatus(status);
  });
}

/** Flags that every command has, and `provision` itself. */
export function addGeneralOptions(command: Command, json: boolean): void {
  if (json)
    command.addOption(general("--json", "print the answer as JSON, times in milliseconds since 1970"));
  command.addOption(
    general(
      "--config <file>",
      "the head's configuration (default: $PROVISION_CONFIG, else /etc/provision/provision.yaml, else that of a lab that runs)",
    ),
  );
  command.addOption(
    general(
      "--color <when>",
      "colour the output: auto (the default; only on a terminal, and not where NO_COLOR is set), always or never",
    ).argParser(colorChoice),
  );
  command.addHelpOption(general("-h, --help", "print this help"));
}

function colorChoice(value: string): ColorChoice {
  const choice = colorChoices.find((each) => each === value);
  if (choice === undefined) throw new InvalidArgumentError(`it takes ${colorChoices.join(", ")}.`);
  return choice;
}

function general(flags: string, description: string): Option {
  return new Option(flags, description).helpGroup(generalOptions);
}

function endOfHelp(text: CommandText, kind: CommandKind): string {
  const examples = text.examples.map(([line, meaning]) => `  ${line}\n      ${meaning}`);
  const status = [...(text.exitStatus ?? usualExitStatus[kind]), "130  interrupted by Ctrl-C"].map((line) => {
    const [number = "", ...words] = line.split(/ +/);
    return `  ${number.padEnd(6)} ${words.join(" ")}`;
  });
  return `\nExamples:\n${examples.join("\n")}\n\nExit status:\n${status.join("\n")}\n`;
}

/** For flags that may be given several times, and several values with commas each time. */
export function collectList(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), ...value.split(",").map((item) => item.trim())];
}

/** For flags that may be given several times, whose values may hold commas. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
