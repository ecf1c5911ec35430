import { AppError } from "../lib/errors.ts";
import { isNodeName } from "../model/node.ts";
import { machineIp, machineMac, machineName, maxMachines, tapName } from "./addresses.ts";
import type { Firmware } from "./firmware.ts";
import type { ConnectHead, LabHead } from "./head.ts";
import { resetMachine, switchOff, switchOn } from "./machine.ts";
import { makeTap } from "./network.ts";
import { type LabPaths, labPaths, nameFlag } from "./paths.ts";
import { isRunning } from "../system/processes.ts";
import { changeState, freeIndex, type LabMachine, type LabState, openState, withMachine } from "./state.ts";

/** A machine before it was ever switched on. */
export type NewMachine = Omit<LabMachine, "process" | "startedAtMs">;

export function newMachine(index: number, firmware: Firmware, name = machineName(index)): NewMachine {
  return { name, index, firmware, mac: machineMac(index), ip: machineIp(index) };
}

/** Makes it a node, as a user would. */
export async function registerMachine(head: LabHead, { name, mac, ip }: NewMachine): Promise<void> {
  const answer = await head.addNodes({ range: name, macs: [mac], ip });
  const failure = answer.failed[0];
  if (failure !== undefined) throw new AppError("conflict", `cannot add node ${name}: ${failure.message}`);
}

/** Plugs a new machine in and switches it on. */
export async function addMachine(paths: LabPaths, machine: NewMachine): Promise<LabMachine> {
  const off: LabMachine = { ...machine, startedAtMs: Date.now() };
  changeState(paths.state, (state) => withMachine(state, off));
  await makeTap(paths.namespace, tapName(machine.index));
  return turn(paths, (state) => switchOn(paths, state, off));
}

/** One machine more in a lab that runs; `register`: as a node, else as a stranger. */
export async function labAdd(
  name: string,
  wanted: { name?: string; firmware: Firmware; register: boolean },
  connect: ConnectHead,
): Promise<LabMachine> {
  const paths = labPaths(name);
  const state = openState(paths);
  const index = freeIndex(state);
  if (index > maxMachines) throw new AppError("conflict", `a lab has at most ${maxMachines} machines`);
  const machine = newMachine(index, wanted.firmware, wanted.name);
  if (!isNodeName(machine.name)) {
    throw new AppError("invalid", `${machine.name} cannot be a node's name`, {
      hint: "lower-case letters, digits and inner hyphens",
    });
  }
  if (state.machines.some((other) => other.name === machine.name)) {
    throw new AppError("conflict", `the lab has a machine ${machine.name} already`, {
      hint: `provision lab power${nameFlag(paths)} ${machine.name} on`,
    });
  }
  if (wanted.register) await registerMachine(connect(paths.socket), machine);
  return addMachine(paths, machine);
}

export const powerActions = ["on", "off", "reset"] as const;
export type PowerAction = (typeof powerActions)[number];

/** The switch and the button at a machine's front. */
export async function labPower(name: string, machineName: string, action: PowerAction): Promise<LabMachine> {
  const paths = labPaths(name);
  const machine = findMachine(paths, machineName);
  const on = isRunning(machine.process);
  if (action === "off") return turn(paths, () => switchOff(machine));
  if (action === "on" && on) throw new AppError("conflict", `${machine.name} is on already`);
  if (action === "on") return turn(paths, (state) => switchOn(paths, state, machine));
  if (!on) throw new AppError("conflict", `${machine.name} is off`);
  return turn(paths, () => resetMachine(paths, machine));
}

/** @throws AppError("not-found") */
export function findMachine(paths: LabPaths, name: string): LabMachine {
  const { machines } = openState(paths);
  const machine = machines.find((candidate) => candidate.name === name);
  if (machine !== undefined) return machine;
  const known = machines.map((candidate) => candidate.name).join(", ");
  throw new AppError("not-found", `the lab has no machine ${name}`, { hint: `one of: ${known}` });
}

async function turn(paths: LabPaths, act: (state: LabState) => Promise<LabMachine>): Promise<LabMachine> {
  const changed = await act(openState(paths));
  changeState(paths.state, (state) => withMachine(state, changed));
  return changed;
}
