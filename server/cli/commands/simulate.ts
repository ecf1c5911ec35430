import { existsSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import type { Config } from "../../config/config.ts";
import { createImageCatalog } from "../../image/versions.ts";
import { parseMac } from "../../lib/mac.ts";
import { type WalkFirmware, walkFirmwares } from "../../simulate/effects.ts";
import type { SimulateContext, SimulateOptions } from "../../simulate/simulate.ts";
import type { WalkSpec } from "../../simulate/spec.ts";
import { HeadClient } from "../client.ts";
import { act, type CommandText, define } from "../define.ts";
import { usageError } from "../problem.ts";
import type { Run, Surroundings } from "../run.ts";
import { createSimulationDisplay, describeSimulation } from "../simulate-report.ts";

const text: CommandText = {
  summary: "walk machines through a boot by the real wire exchange, without the machines",
  description: `Plays machines from the power button to the agent's first report: DHCP as real firmware asks, the boot loader by TFTP or HTTP, iPXE and its script, kernel, initrd, overlay, and what the initrd and the agent say to the head. Everything goes by real sockets.

With one node, prints every packet and file that the node would get, and where it ends if it does not come up. With a range, 'all', or --nodes for machines that are made up, it is a boot storm, and prints what each phase took, what failed, and what it cost the head.

Nothing is disturbed: the machines are walked against a twin, a second head in a network namespace of its own with a copy of the inventory, which is gone afterwards. With --interface they are walked against the head that answers there, from any machine on its network: those boots are in that head's timeline and leases. Roots are not mounted: NFS is not simulated.`,
  examples: [
    ["sudo provision simulate n001", "what n001 would get, packet by packet"],
    ["sudo provision simulate n001 --firmware uefi", "and by UEFI PXE"],
    ["sudo provision simulate --nodes 1000 --firmware bios,uefi,http", "a rack of a thousand, all at once"],
    [
      "sudo provision simulate 'n[001-100]' --arrival poisson:20",
      "a hundred of the inventory, twenty a second",
    ],
    [
      "sudo provision simulate --nodes 1000 --no-files --json | jq .head",
      "the head's cost besides file bytes",
    ],
    ["sudo provision simulate --interface eth1 52:54:00:12:34:01", "against the head on that network"],
  ],
  exitStatus: [
    "0  every machine came up",
    "1  some did not, or the simulation could not be made",
    "2  wrong usage",
  ],
};

type Flags = {
  nodes?: number;
  inventory?: boolean;
  firmware: readonly WalkFirmware[];
  interface?: string;
  arrival: WalkSpec["arrival"];
  concurrency?: number;
  seed: number;
  patience?: number;
  pace: number;
  files: boolean;
  fileSize?: number;
};

/** `provision simulate` */
export function addSimulate(program: Command, surroundings: Surroundings): void {
  const command = define(program, "simulate", text)
    .argument("[range]", "nodes of the inventory, or MAC addresses with commas: `provision help ranges`")
    .option(
      "--nodes <count>",
      "so many machines that are made up, against an empty inventory",
      whole(1, 60_000),
    )
    .option("--inventory", "every node of the inventory, as the range all")
    .option(
      "--firmware <kinds>",
      "bios, uefi, http, or a list that the machines take in turn (default: bios)",
      firmwareList,
      ["bios"],
    )
    .option("--interface <name>", "walk against the head on this interface's network; leaves traces there")
    .option(
      "--arrival <when>",
      "all (at once, the default), or poisson:RATE with so many machines a second",
      arrival,
      { kind: "all" },
    )
    .option("--concurrency <count>", "machines under way at once (default: all)", whole(1, 60_000))
    .option(
      "--seed <number>",
      "machines, arrivals and numbers are the same for the same seed (default: 1)",
      whole(0, 2 ** 32 - 1),
      1,
    )
    .option(
      "--patience <seconds>",
      "how long the head's scripts may make a machine wait (default: 300, and 20 for one node)",
      whole(0, 86_400),
    )
    .option("--pace <factor>", "the firmware's own pauses, multiplied (default: 1; 0: none)", factor, 1)
    .option("--no-files", "ask about loader, kernel and initrd, and fetch none of them")
    .option("--file-size <size>", "with --nodes: kernel and initrd of this size together, as 48M", size);
  act<Flags>(command, text, "reads", surroundings, async (run, range) => {
    const config = configOf(run);
    const options = optionsOf(run.options, range);
    const { simulate } = await import("../../simulate/simulate.ts");
    const display = createSimulationDisplay(run.terminal, run.options.json === true);
    const simulation = await simulate(options, contextOf(run, config, display));
    display.end();
    if (run.options.json === true) run.json(simulation.report);
    else run.terminal.out(describeSimulation(simulation, run.terminal));
    return simulation.report.failed === 0 ? 0 : 1;
  });
}

function optionsOf(flags: Flags, range: string | undefined): SimulateOptions {
  const { nodes, fileSize, firmware, patience } = flags;
  const ways = [nodes !== undefined, flags.inventory === true, range !== undefined].filter(Boolean);
  if (ways.length !== 1) {
    throw usageError(
      "",
      "it takes one of: a node or a range, --inventory, --nodes",
      "provision help simulate",
    );
  }
  if (fileSize !== undefined && nodes === undefined) {
    throw usageError("--file-size", "nodes of the inventory boot their own images", "add --nodes");
  }
  const machines = machinesOf(flags, range);
  if (flags.interface !== undefined && machines.kind !== "ports") {
    throw usageError(
      "--interface",
      "machines are named by their MAC addresses there: the nodes of that head are not known here",
      "provision simulate --interface eth1 52:54:00:12:34:01",
    );
  }
  const single = isSingle(machines);
  return {
    machines,
    firmware,
    ...(flags.interface === undefined ? {} : { device: flags.interface }),
    walk: {
      seed: flags.seed,
      concurrency: flags.concurrency ?? Number.MAX_SAFE_INTEGER,
      arrival: flags.arrival,
      patienceMs: (patience ?? (single ? 20 : 300)) * 1000,
      firstFailureEnds: single,
      files: flags.files,
      pace: flags.pace,
      transcript: single,
    },
  };
}

function machinesOf({ nodes, fileSize }: Flags, range: string | undefined): SimulateOptions["machines"] {
  if (nodes !== undefined) {
    return { kind: "invented", count: nodes, ...(fileSize === undefined ? {} : { fileBytes: fileSize }) };
  }
  const macs = range?.split(",").map((item) => parseMac(item.trim()));
  if (macs?.every((mac) => mac !== undefined)) return { kind: "ports", macs };
  return { kind: "range", range: range ?? "all" };
}

/** One that is named by itself is shown packet by packet. */
function isSingle(machines: SimulateOptions["machines"]): boolean {
  switch (machines.kind) {
    case "invented":
      return machines.count === 1;
    case "ports":
      return machines.macs.length === 1;
    case "range":
      return /^[a-z0-9-]+$/.test(machines.range) && machines.range !== "all";
  }
}

/** Undefined where this machine has no head and none is named. */
function configOf(run: Run<Flags>): Config | undefined {
  const named = run.options.config !== undefined || (run.surroundings.env["PROVISION_CONFIG"] ?? "") !== "";
  return named || existsSync(run.configFile()) ? run.config() : undefined;
}

function contextOf(
  run: Run<Flags>,
  config: Config | undefined,
  display: ReturnType<typeof createSimulationDisplay>,
): SimulateContext {
  const signal = run.surroundings.interrupt();
  return {
    checkout: run.surroundings.checkout,
    signal,
    config,
    connectHead: (socket) => new HeadClient(socket, signal),
    snapshot: async () => (await run.head((head) => head.snapshot())).file,
    findImage: (store) => (reference) => createImageCatalog(store).find(reference),
    heard: display.heard,
    say: display.say,
  };
}

function whole(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= least && number <= most) return number;
    throw new InvalidArgumentError(`it takes a whole number from ${least} to ${most}.`);
  };
}

function factor(value: string): number {
  const number = Number(value);
  if (/^\d+(?:\.\d+)?$/.test(value) && number <= 100) return number;
  throw new InvalidArgumentError("it takes a number from 0 to 100.");
}

function firmwareList(value: string): readonly WalkFirmware[] {
  return value.split(",").map((item) => {
    const known = walkFirmwares.find((firmware) => firmware === item.trim());
    if (known !== undefined) return known;
    throw new InvalidArgumentError(`it takes ${walkFirmwares.join(", ")}, with commas.`);
  });
}

function arrival(value: string): WalkSpec["arrival"] {
  if (value === "all") return { kind: "all" };
  const rate = Number(/^poisson:(?<rate>\d+(?:\.\d+)?)$/.exec(value)?.groups?.["rate"]);
  if (rate > 0) return { kind: "poisson", perSecond: rate };
  throw new InvalidArgumentError("it takes all, or poisson:RATE as in poisson:20.");
}

function size(value: string): number {
  const match = /^(?<count>\d+)(?<unit>[KMG]?)$/.exec(value)?.groups;
  const scale = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }[match?.["unit"] ?? ""] ?? 0;
  const bytes = Number(match?.["count"]) * scale;
  if (bytes >= 1024 && bytes <= 2 ** 34) return bytes;
  throw new InvalidArgumentError("it takes a size such as 48M, from 1K to 16G.");
}
