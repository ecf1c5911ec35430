import type { EventAnswer, NodeAnswer } from "../model/answers.ts";
import { type BootStep, bootSteps, type Phase, stepIndex } from "../model/phase.ts";
import type { Firmware } from "./firmware.ts";
import type { ConnectHead } from "./head.ts";
import type { LabPaths } from "./paths.ts";
import { isRunning } from "../system/processes.ts";
import type { LabMachine, LabState } from "./state.ts";

/**
 * `off`: its QEMU does not run; `unregistered`: in no node of the inventory; `unwatched`: the head cannot be asked;
 * else where the head sees it.
 */
export type MachineState = Phase | "off" | "unregistered" | "unwatched";

export type LabNode = {
  name: string;
  firmware: Firmware;
  state: MachineState;
  /** From power on to `up`; null: not yet. */
  secondsToUp: number | null;
  /** Seconds from power on to each step that was reached. */
  phaseSeconds: Partial<Record<BootStep, number>>;
  mac: string;
  /** The inventory's name and address for it; absent: it is in no node. */
  node?: string;
  ip?: string;
  /** QEMU's process. */
  pid?: number;
  memoryMiB: number;
};

/** What `lab status --json` prints. */
export type LabStatus = {
  name: string;
  namespace: string;
  directory: string;
  head: "running" | "stopped";
  accelerator: string;
  acceleratorReason: string;
  nodes: readonly LabNode[];
};

/** Events of one boot; a machine that boots over and over has more, and its newest count. */
const eventsPerMachine = 100;

export async function readStatus(paths: LabPaths, state: LabState, connect: ConnectHead): Promise<LabStatus> {
  const seen = await askHead(paths, state, connect);
  return {
    name: paths.name,
    namespace: paths.namespace,
    directory: paths.directory,
    head: seen === undefined ? "stopped" : "running",
    accelerator: state.accelerator,
    acceleratorReason: state.acceleratorReason,
    nodes: state.machines.map((machine) => nodeOf(machine, state.memoryMiB, seen)),
  };
}

type Seen = { nodes: readonly NodeAnswer[]; events: readonly EventAnswer[] };

/** Undefined when it does not answer: it may have been killed a moment ago. */
async function askHead(paths: LabPaths, state: LabState, connect: ConnectHead): Promise<Seen | undefined> {
  if (!isRunning(state.head)) return undefined;
  try {
    const head = connect(paths.socket);
    const limit = Math.max(1, state.machines.length) * eventsPerMachine;
    const [{ nodes }, { events }] = await Promise.all([head.nodes(), head.events(undefined, limit)]);
    return { nodes, events };
  } catch {
    return undefined;
  }
}

function nodeOf(machine: LabMachine, memoryMiB: number, seen: Seen | undefined): LabNode {
  const node = seen?.nodes.find(({ macs }) => macs.includes(machine.mac));
  const phaseSeconds = secondsOfSteps(machine, seen?.events ?? []);
  return {
    name: machine.name,
    firmware: machine.firmware,
    state: stateOf(machine, node, seen),
    secondsToUp: phaseSeconds.up ?? null,
    phaseSeconds,
    mac: machine.mac,
    ...(node === undefined ? {} : { node: node.name, ip: node.ip }),
    ...(machine.process === undefined || !isRunning(machine.process) ? {} : { pid: machine.process.pid }),
    memoryMiB,
  };
}

function stateOf(machine: LabMachine, node: NodeAnswer | undefined, seen: Seen | undefined): MachineState {
  if (!isRunning(machine.process)) return "off";
  if (seen === undefined) return "unwatched";
  return node?.phase ?? "unregistered";
}

/** When each step was first reached since the machine was switched on. */
export function secondsOfSteps(
  machine: Pick<LabMachine, "mac" | "startedAtMs">,
  events: readonly Pick<EventAnswer, "mac" | "kind" | "atMs">[],
): Partial<Record<BootStep, number>> {
  const own = events.filter(({ mac, atMs }) => mac === machine.mac && atMs >= machine.startedAtMs);
  const seconds: Partial<Record<BootStep, number>> = {};
  for (const step of bootSteps) {
    const first = own.find(({ kind }) => kind === step);
    if (first !== undefined) seconds[step] = Math.round((first.atMs - machine.startedAtMs) / 100) / 10;
  }
  return seconds;
}

/** True when every machine has come up. */
export function allUp({ nodes }: LabStatus): boolean {
  return nodes.every(({ state }) => state === "up");
}

/** How many of the boot's steps are behind a machine, for a bar: 0 to `bootSteps.length`. */
export function stepsDone(state: MachineState): number {
  return state === "off" || state === "unregistered" || state === "unwatched" ? 0 : stepIndex(state) + 1;
}
