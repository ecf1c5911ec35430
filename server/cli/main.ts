import { dirname } from "node:path";
import { CommanderError } from "commander";
import { AppError, errnoOf } from "../lib/errors.ts";
import { describeError, exitStatusOfError, interruptedStatus } from "./problem.ts";
import { createProgram } from "./program.ts";
import type { Surroundings } from "./run.ts";

let interrupt: AbortController | undefined;

/** Ctrl-C once asks the command to clean up and end; twice ends it at once. */
function interruptSignal(): AbortSignal {
  if (interrupt !== undefined) return interrupt.signal;
  const controller = new AbortController();
  interrupt = controller;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(interruptedStatus);
      controller.abort(new AppError("unavailable", "interrupted"));
    });
  }
  return controller.signal;
}

// `provision events | head`: nobody reads on, which is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error) => {
    if (errnoOf(error) === "EPIPE") process.exit(0);
    throw error;
  });
}

function printError(error: unknown, words: readonly string[]): number {
  if (interrupt?.signal.aborted === true) {
    process.stderr.write("provision: interrupted\n");
    return interruptedStatus;
  }
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // help and version, which were asked for
    if (error.code === "commander.help") return 2; // no command was given, and the help has been printed
    process.stderr.write(
      `provision: ${error.message.replace(/^error: /, "")}\ntry: ${usageHint(error, words)}\n`,
    );
    return 2;
  }
  process.stderr.write(`${describeError(error)}\n`);
  if (process.env["PROVISION_DEBUG"] === "1" && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  return exitStatusOfError(error);
}

function usageHint(error: CommanderError, words: readonly string[]): string {
  const command = words.find((word) => !word.startsWith("-"));
  if (command === undefined || error.code === "commander.unknownCommand") return "provision --help";
  // A shell that finds files named like nodes puts their names in the place of an unquoted range.
  const quotes = error.code === "commander.excessArguments" ? "single quotes around a range, or " : "";
  return `${quotes}provision help ${command}`;
}

async function main(words: readonly string[]): Promise<void> {
  const surroundings: Surroundings = {
    streams: process,
    env: process.env,
    checkout: dirname(dirname(import.meta.dirname)),
    interrupt: interruptSignal,
    setExitStatus: (status) => {
      process.exitCode = status;
    },
  };
  const program = createProgram(surroundings);
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    process.exitCode = printError(error, words);
  }
}

await main(process.argv.slice(2));
