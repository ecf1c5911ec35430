import { Command } from "commander";
import packageFile from "../../package.json" with { type: "json" };
import { addBuildImage } from "./commands/build-image.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addEvents } from "./commands/events.ts";
import { addAddGroup } from "./commands/add-group.ts";
import { addAddNode } from "./commands/add-node.ts";
import { addHelp } from "./commands/help.ts";
import { addInit } from "./commands/init.ts";
import { addLab } from "./commands/lab.ts";
import { addListDiscovered } from "./commands/list-discovered.ts";
import { addListGroups } from "./commands/list-groups.ts";
import { addListImages } from "./commands/list-images.ts";
import { addListLeases } from "./commands/list-leases.ts";
import { addListNodes } from "./commands/list-nodes.ts";
import { addRemoveGroup } from "./commands/remove-group.ts";
import { addRemoveNode } from "./commands/remove-node.ts";
import { addRender } from "./commands/render.ts";
import { addServe } from "./commands/serve.ts";
import { addSetGroup } from "./commands/set-group.ts";
import { addSetNode } from "./commands/set-node.ts";
import { addShowNode } from "./commands/show-node.ts";
import { addSimulate } from "./commands/simulate.ts";
import { addStatus } from "./commands/status.ts";
import { addWhy } from "./commands/why.ts";
import { addGeneralOptions } from "./define.ts";
import { quickStartHelp, rangesHelp } from "./help-topics.ts";
import type { Surroundings } from "./run.ts";

type AddCommand = (program: Command, surroundings: Surroundings) => void;

const commandGroups: readonly { heading: string; commands: readonly AddCommand[] }[] = [
  { heading: "Set up:", commands: [addInit, addDoctor, addServe, addStatus] },
  {
    heading: "Nodes:",
    commands: [
      addAddNode,
      addSetNode,
      addRemoveNode,
      addListNodes,
      addShowNode,
      addAddGroup,
      addSetGroup,
      addRemoveGroup,
      addListGroups,
    ],
  },
  { heading: "Images:", commands: [addBuildImage, addListImages] },
  {
    heading: "Look:",
    commands: [addWhy, addEvents, addRender, addListDiscovered, addListLeases],
  },
  { heading: "Try:", commands: [addSimulate, addLab] },
  { heading: "Help:", commands: [addHelp, addCompletion] },
];

/** The whole command line. Errors of usage are thrown (CommanderError), never printed or exited on. */
export function createProgram(surroundings: Surroundings): Command {
  const { stdout, stderr } = surroundings.streams;
  const program = new Command("provision")
    .description("Turns a rack of machines without disks into one computer, from one head node.")
    .usage("COMMAND [ARGUMENTS] [OPTIONS]")
    .version(packageFile.version, "--version", "print the version")
    .enablePositionalOptions()
    .helpCommand(false)
    .exitOverride()
    .configureHelp({
      subcommandTerm: (command) => command.name() + argumentsOf(command),
      // Each description tells its default itself, in words.
      optionDescription: (option) => option.description,
    })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: () => undefined,
      getOutHelpWidth: () => helpWidth(stdout.columns),
      getErrHelpWidth: () => helpWidth(stderr.columns),
    })
    .addHelpText("after", `\n${rangesHelp}\n\n${quickStartHelp}\n`);
  addGeneralOptions(program, false);
  for (const { heading, commands } of commandGroups) {
    program.commandsGroup(heading);
    for (const add of commands) add(program, surroundings);
  }
  return program;
}

/** Long lines are hard to read, however wide the terminal is. */
function helpWidth(columns: number | undefined): number {
  return Math.min(columns ?? 100, 110);
}

function argumentsOf(command: Command): string {
  return command.registeredArguments
    .map((argument) => (argument.required ? ` <${argument.name()}>` : ` [${argument.name()}]`))
    .join("");
}
