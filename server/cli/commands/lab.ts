import { type Command, InvalidArgumentError, Option } from "commander";
import { type Firmware, firmwares } from "../../lab/firmware.ts";
import { act, type CommandText, define } from "../define.ts";
import { labContext, labName, type LabOptions, storeOf } from "../lab-context.ts";
import { describeLab } from "../lab-report.ts";
import type { Run, Surroundings } from "../run.ts";
import { addLabMachineCommands } from "./lab-machines.ts";

/** `provision lab …` */
export function addLab(program: Command, surroundings: Surroundings): void {
  const lab = program
    .command("lab")
    .summary("boot real machines without a rack: a head and QEMU machines in a network of their own")
    .description(
      `A lab is a network namespace on this machine with a head inside, and QEMU machines with real firmware that can boot from the network only. It serves to try Provision, an image or a change before the rack does.

While this machine has no configuration of its own, every other command (list-nodes, why, add-node, events, ...) speaks to the head of the lab without a name. For any other lab: --config /run/provision-lab-NAME/provision.yaml.`,
    )
    .usage("COMMAND [ARGUMENTS] [OPTIONS]")
    .helpCommand(false);
  addUp(lab, surroundings);
  addStatus(lab, surroundings);
  addLabMachineCommands(lab, surroundings);
  addDown(lab, surroundings);
}

const upText: CommandText = {
  summary: "make a lab and wait until its nodes are up",
  description: `Makes a network namespace with a bridge, runs the head inside, registers the nodes n001, n002, ... and switches their machines on. Waits until all are up, shows how far each is, and at the end how many seconds each step took. KVM is used where it really works, which is tried; otherwise QEMU emulates.

When it fails, and on Ctrl-C, everything is removed again: processes, namespace, interfaces, files. The lab lives on after this command; \`provision lab down\` removes it.`,
  examples: [
    ["sudo provision lab up", "two nodes, one with BIOS, one with UEFI"],
    ["sudo provision lab up --nodes 4 --firmware uefi --memory 1024", "four UEFI nodes of 1 GiB"],
    ["sudo provision lab up --keep", "and leave a lab that failed for a look"],
    ["sudo provision lab up --name second --nodes 1", "another lab beside the first"],
  ],
  exitStatus: [
    "0  every node is up (with --no-wait: every machine runs)",
    "1  it could not be made, a node did not come up, or a lab is up already",
    "2  wrong usage",
  ],
};

type UpOptions = LabOptions & {
  nodes: number;
  firmware: readonly Firmware[];
  memory: number;
  cpus: number;
  image: string;
  imageStore?: string;
  accelerator: "auto" | "kvm" | "tcg";
  timeout: number;
  wait: boolean;
  keep?: boolean;
};

function addUp(lab: Command, surroundings: Surroundings): void {
  const command = define(lab, "up", upText)
    .option("--nodes <count>", "how many machines (default: 2)", wholeNumber(0, 100), 2)
    .option(
      "--firmware <kinds>",
      "bios, uefi, or a list: the machines take them in turn (default: bios,uefi)",
      firmwareList,
      firmwares,
    )
    .option("--memory <MiB>", "memory of each machine (default: 512)", wholeNumber(320, 1_048_576), 512)
    .option("--cpus <count>", "processors of each machine (default: 1)", wholeNumber(1, 64), 1)
    .option("--image <image>", "image that the nodes boot (default: debian-13)", "debian-13")
    .option(
      "--image-store <directory>",
      "where it lies (default: this machine's, else /var/lib/provision/images)",
    )
    .addOption(
      new Option("--accelerator <kind>", "kvm, tcg (emulation), or auto (default: auto)")
        .choices(["auto", "kvm", "tcg"])
        .default("auto"),
    )
    .option(
      "--timeout <seconds>",
      "how long nodes may take to come up (default: 600)",
      wholeNumber(1, 86_400),
      600,
    )
    .option("--no-wait", "come back as soon as the machines run")
    .option("--keep", "leave a lab that failed as it is; Ctrl-C removes it all the same")
    .addOption(labName());
  act<UpOptions>(command, upText, "other", surroundings, async (run) => {
    const { labUp } = await import("../../lab/lab.ts");
    const { options } = run;
    const status = await labUp(
      {
        ...options,
        imageStore: options.imageStore ?? storeOf(run),
        memoryMiB: options.memory,
        timeoutMs: options.timeout * 1000,
        keep: options.keep === true,
      },
      labContext(run),
    );
    run.terminal.out(describeLab(status, run.terminal));
  });
}

function wholeNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`it takes a whole number from ${least} to ${most}.`);
  };
}

function firmwareList(value: string): readonly Firmware[] {
  return value.split(",").map((item) => {
    const known = firmwares.find((firmware) => firmware === item.trim());
    if (known === undefined)
      throw new InvalidArgumentError(`it takes ${firmwares.join(" and ")}, with commas.`);
    return known;
  });
}

const statusText: CommandText = {
  summary: "say how each machine of the lab is",
  description: `Prints the machines of the lab: firmware, state, and how many seconds after power on each step of the boot was reached.

STATE is the node's phase as in list-nodes; or off (its QEMU does not run), unregistered (in no node of the inventory), unwatched (the lab's head does not run).`,
  examples: [
    ["provision lab status", "as a table"],
    ["provision lab status --json | jq -r '.nodes[] | \"\\(.name) \\(.secondsToUp)\"'", "seconds to up"],
  ],
  exitStatus: ["0  there is a lab, however it is", "1  there is none", "2  wrong usage"],
};

function addStatus(lab: Command, surroundings: Surroundings): void {
  const command = define(lab, "status", statusText).addOption(labName());
  act<LabOptions>(command, statusText, "reads", surroundings, async (run) => {
    const { labStatus } = await import("../../lab/lab.ts");
    const status = await labStatus(run.options.name, labContext(run).connectHead);
    if (run.options.json === true) run.json(status);
    else run.terminal.out(describeLab(status, run.terminal));
  });
}

const downText: CommandText = {
  summary: "remove the lab and every trace of it",
  description: `Ends the lab's machines and its head, and removes its network namespace with all interfaces and its files. Works after a crash at any moment, and where there is no lab it does nothing. Images stay.`,
  examples: [
    ["sudo provision lab down", "the lab without a name"],
    ["sudo provision lab down --name second", "another one"],
  ],
};

function addDown(lab: Command, surroundings: Surroundings): void {
  const command = define(lab, "down", downText).addOption(labName());
  act<LabOptions>(command, downText, "other", surroundings, async (run: Run<LabOptions>) => {
    const { labDown } = await import("../../lab/lab.ts");
    const removed = await labDown(run.options.name);
    run.terminal.out(removed ? "the lab is gone" : "there is no lab");
  });
}
