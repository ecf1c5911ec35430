import type { Command } from "commander";
import type { Surroundings } from "../run.ts";
import { helpTopics } from "../help-topics.ts";
import { usageError } from "../problem.ts";
import { nearestName } from "../../model/nearest-name.ts";

/** `provision help [COMMAND|TOPIC]`. Our own, since commander's knows no topics. */
export function addHelp(program: Command, { streams }: Surroundings): void {
  program
    .command("help")
    .summary("print the help of a command, or of a topic: ranges, options")
    .description(
      "Prints the help of a command, or of a topic: `ranges`, how sets of nodes are written; `options`, how DHCP options are.",
    )
    .argument("[words...]", "a command (`lab up` has two words), or a topic")
    .addHelpText(
      "after",
      "\nExamples:\n  provision help add-node\n  provision help lab up\n  provision help ranges\n  provision help options\n",
    )
    .action((words: readonly string[]) => {
      const topic = words.length === 1 ? helpTopics.get(words[0] ?? "") : undefined;
      if (topic !== undefined) streams.stdout.write(`${topic}\n`);
      else findCommand(program, words).outputHelp();
    });
}

function findCommand(program: Command, words: readonly string[]): Command {
  let found = program;
  for (const word of words) {
    const next = found.commands.find((command) => command.name() === word);
    if (next === undefined) throw noSuchCommand(found, word);
    found = next;
  }
  return found;
}

function noSuchCommand(parent: Command, word: string): Error {
  const near = nearestName(word, [...parent.commands.map((command) => command.name()), ...helpTopics.keys()]);
  const hint = near === undefined ? "provision --help" : `provision help ${near}`;
  return usageError("", `there is no command or topic ${word}`, hint);
}
