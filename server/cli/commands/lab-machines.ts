import { type Command, Option } from "commander";
import { type Firmware, firmwares } from "../../lab/firmware.ts";
import { act, type CommandText, define } from "../define.ts";
import { labContext, labName, type LabOptions } from "../lab-context.ts";
import { usageError } from "../problem.ts";
import type { Surroundings } from "../run.ts";

/** The commands about one machine of a lab. */
export function addLabMachineCommands(lab: Command, surroundings: Surroundings): void {
  addConsole(lab, surroundings);
  addSsh(lab, surroundings);
  addPower(lab, surroundings);
  addAdd(lab, surroundings);
  addHead(lab, surroundings);
}

const consoleText: CommandText = {
  summary: "join this terminal to a machine's serial console",
  description: `Shows the last lines that the machine wrote to its serial port and joins this terminal to it, from the firmware on. Ctrl-] leaves; the machine goes on. One reader at a time; everything is also in /run/provision-lab/NAME.console.log.`,
  examples: [["sudo provision lab console n001", "watch n001, type into it; Ctrl-] leaves"]],
};

function addConsole(lab: Command, surroundings: Surroundings): void {
  const command = define(lab, "console", consoleText)
    .argument("<machine>", "name of a machine (lab status)")
    .addOption(labName());
  act<LabOptions>(command, consoleText, "other", surroundings, async (run, machine = "") => {
    const { labConsole } = await import("../../lab/console.ts");
    run.terminal.err(`${machine}'s console; Ctrl-] leaves`);
    const { stdin, stdout } = process;
    await labConsole(run.options.name, machine, { stdin, stdout }, surroundings.interrupt());
    run.terminal.err("");
  });
}

const sshText: CommandText = {
  summary: "log in to a node of the lab as root, or run a command there",
  description: `Runs ssh inside the lab's network with the lab's key. The node has to prove that it has the host key which the inventory made for it.`,
  examples: [
    ["sudo provision lab ssh n001", "a shell"],
    ["sudo provision lab ssh n001 -- findmnt /", "one command; its exit status is ours"],
  ],
  exitStatus: [
    "0-254  that of the command on the node",
    "255    ssh itself failed",
    "1  no such lab or node",
  ],
};

function addSsh(lab: Command, surroundings: Surroundings): void {
  const command = define(lab, "ssh", sshText)
    .argument("<node>", "name of a node")
    .argument("[command...]", "what to run there; put -- before it")
    .addOption(labName());
  act<LabOptions>(command, sshText, "other", surroundings, async (run, node = "", ...words) => {
    const { labSsh } = await import("../../lab/ssh.ts");
    return labSsh(run.options.name, node, words, labContext(run).connectHead);
  });
}

const powerText: CommandText = {
  summary: "switch a machine of the lab on or off, or press its reset button",
  description: `Works on the machine, not on the system that it runs: off is a power cut, reset is the button.`,
  examples: [
    ["sudo provision lab power n001 off", "cut its power; the head finds it lost within 10 s"],
    ["sudo provision lab power n001 on", "and it boots again"],
  ],
};

function addPower(lab: Command, surroundings: Surroundings): void {
  const command = define(lab, "power", powerText)
    .argument("<machine>", "name of a machine (lab status)")
    .argument("<action>", "on, off or reset")
    .addOption(labName());
  act<LabOptions>(command, powerText, "other", surroundings, async (run, machine = "", word = "") => {
    const { labPower, powerActions } = await import("../../lab/machines.ts");
    const action = powerActions.find((known) => known === word);
    if (action === undefined) throw usageError("action", `${word}: expected ${powerActions.join(", ")}`);
    await labPower(run.options.name, machine, action);
    run.terminal.out(`${machine}: ${action}`);
  });
}

const addText: CommandText = {
  summary: "add one machine to the lab and switch it on",
  description: `Puts one more machine into a lab that is up. It becomes a node of the same name, unless it is to be a stranger: then the head has to be told of it, as in a rack.`,
  examples: [
    ["sudo provision lab add", "one node more"],
    ["sudo provision lab add x1 --stranger", "a machine that the head does not know; then:"],
    ["provision add-node n009 --from-discovered", "make a node of it"],
  ],
};

type AddOptions = LabOptions & { firmware: Firmware; stranger?: boolean };

function addAdd(lab: Command, surroundings: Surroundings): void {
  const command = define(lab, "add", addText)
    .argument("[machine]", "its name (default: the next, such as n003)")
    .addOption(
      new Option("--firmware <kind>", "bios or uefi (default: bios)").choices(firmwares).default("bios"),
    )
    .option("--stranger", "do not make it a node")
    .addOption(labName());
  act<AddOptions>(command, addText, "other", surroundings, async (run, machine) => {
    const { labAdd } = await import("../../lab/machines.ts");
    const { name, firmware, stranger } = run.options;
    const wanted = {
      ...(machine === undefined ? {} : { name: machine }),
      firmware,
      register: stranger !== true,
    };
    const added = await labAdd(name, wanted, labContext(run).connectHead);
    run.terminal.out(`${added.name} is on; its port is ${added.mac}`);
  });
}

const headText: CommandText = {
  summary: "kill the lab's head, or start it again",
  description: `Kills the head as a crash would (SIGKILL), or starts it again and waits until it serves. Nodes keep their roots meanwhile, and what the head has acknowledged is not lost.`,
  examples: [
    ["sudo provision lab head kill", "and: provision lab ssh n001 -- ls /usr/bin"],
    ["sudo provision lab head start", "where it left off"],
  ],
};

function addHead(lab: Command, surroundings: Surroundings): void {
  const command = define(lab, "head", headText).argument("<action>", "kill or start").addOption(labName());
  act<LabOptions>(command, headText, "other", surroundings, async (run, action = "") => {
    const { labKillHead, labStartHead } = await import("../../lab/lab.ts");
    const { name } = run.options;
    if (action === "kill") await labKillHead(name);
    else if (action === "start") await labStartHead(name, labContext(run));
    else throw usageError("action", `${action}: expected kill or start`);
    run.terminal.out(action === "kill" ? "the head is dead" : "the head serves");
  });
}
