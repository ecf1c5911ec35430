import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { AppError, errnoOf, type Fault } from "../lib/errors.ts";
import { maxMachines } from "./addresses.ts";
import { checkLab, type LabNeeds, readSurroundings } from "./checks.ts";
import { type Firmware, firmwareOf } from "./firmware.ts";
import { bringUpHead, type ConnectHead, killHead, prepareHead } from "./head.ts";
import { type Acceleration, probeAcceleration } from "./kvm-probe.ts";
import { qemuProgram } from "./machine.ts";
import { addMachine, newMachine, registerMachine } from "./machines.ts";
import { makeNetwork } from "./network.ts";
import { headFailure } from "../system/head-process.ts";
import { inNamespace, namespaceExists } from "../system/namespace.ts";
import { type LabPaths, labPaths, machinePaths, nameFlag } from "./paths.ts";
import { identify, isRunning, lastLines, startDetached } from "../system/processes.ts";
import type { Accelerator } from "./qemu.ts";
import { removeLab } from "./removal.ts";
import { changeState, openState, readState, writeState } from "./state.ts";
import { allUp, type LabNode, type LabStatus, readStatus } from "./status.ts";

export type LabUpOptions = {
  /** Empty for the lab without a name. */
  name: string;
  nodes: number;
  /** One for each machine in turn, over and over. */
  firmware: readonly Firmware[];
  memoryMiB: number;
  cpus: number;
  image: string;
  imageStore: string;
  accelerator: "auto" | Accelerator;
  /** False: come back as soon as the machines run. */
  wait: boolean;
  timeoutMs: number;
  /** Leave a lab that failed as it is. */
  keep: boolean;
};

/** What the command line gives a lab. */
export type LabContext = {
  /** Root of the checkout: its scripts/provision is the lab's head. */
  checkout: string;
  searchPath: string;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  connectHead: ConnectHead;
  findImage: LabNeeds["findImage"];
  /** Told about once a second. */
  progress: (status: LabStatus, elapsedMs: number) => void;
  /** Told of each stage. */
  say: (line: string) => void;
};

/** Longer than a signal takes from the kernel to our handler. */
const interruptMs = 200;

/**
 * Makes a lab: namespace, head, machines; waits until all nodes are up. When it fails or is interrupted nothing of it is
 * left, unless it failed and was to be kept.
 */
export async function labUp(options: LabUpOptions, context: LabContext): Promise<LabStatus> {
  const paths = labPaths(options.name);
  if (options.nodes > maxMachines) {
    throw new AppError("invalid", `a lab has at most ${maxMachines} machines`);
  }
  refuseSecond(paths);
  checkLab(
    { ...options, machines: options.nodes, findImage: context.findImage },
    readSurroundings(context.searchPath),
  );
  claim(paths);
  try {
    return await makeLab(paths, options, context);
  } catch (error) {
    // Ctrl-C also reaches a process that has just been started and is not in a session of its own yet: its end may be
    // seen a moment before our own handler is told.
    await sleep(interruptMs);
    if (context.signal.aborted || !options.keep) await removeLab(paths);
    context.signal.throwIfAborted();
    throw error;
  }
}

export async function labStatus(name: string, connect: ConnectHead): Promise<LabStatus> {
  const paths = labPaths(name);
  return readStatus(paths, openState(paths), connect);
}

/** Removes the lab. @returns false when there was none */
export async function labDown(name: string): Promise<boolean> {
  return removeLab(labPaths(name));
}

/** The head dies as in a crash, without a last word. */
export async function labKillHead(name: string): Promise<void> {
  await killHead(labPaths(name));
}

/** Starts the head of a lab whose head has ended. */
export async function labStartHead(
  name: string,
  context: Pick<LabContext, "checkout" | "connectHead" | "signal">,
): Promise<void> {
  await bringUpHead(labPaths(name), context);
}

function refuseSecond(paths: LabPaths): void {
  const state = readState(paths.state);
  const hint = `provision lab down${nameFlag(paths)}`;
  if (isRunning(state?.maker))
    throw new AppError("conflict", "another `provision lab up` is at it", { hint });
  if (isRunning(state?.head)) throw new AppError("conflict", "the lab is already up", { hint });
}

/** The directory is the lock: only one `lab up` can make it. */
function claim(paths: LabPaths): void {
  const remains = new AppError("conflict", `there are remains of a lab in ${paths.directory}`, {
    hint: `provision lab down${nameFlag(paths)}`,
  });
  if (namespaceExists(paths.namespace)) throw remains;
  try {
    mkdirSync(paths.directory, { mode: 0o755 });
  } catch (error) {
    throw errnoOf(error) === "EEXIST" ? remains : error;
  }
}

async function makeLab(paths: LabPaths, options: LabUpOptions, context: LabContext): Promise<LabStatus> {
  const { say, signal } = context;
  const maker = identify(process.pid);
  writeState(paths.state, {
    version: 1,
    ...(maker === undefined ? {} : { maker }),
    accelerator: "tcg",
    acceleratorReason: "not tried yet",
    memoryMiB: options.memoryMiB,
    cpus: options.cpus,
    createdAtMs: Date.now(),
    machines: [],
  });
  await makeNetwork(paths.namespace);
  signal.throwIfAborted();
  const acceleration = await accelerationFor(paths, options.accelerator);
  changeState(paths.state, (state) => ({
    ...state,
    accelerator: acceleration.accelerator,
    acceleratorReason: acceleration.reason,
  }));
  say(`machines run with ${acceleration.accelerator.toUpperCase()}: ${acceleration.reason}`);
  signal.throwIfAborted();
  await prepareHead(paths, { ...options, accelerator: acceleration.accelerator });
  const client = await bringUpHead(paths, context);
  await startMinder(paths);
  say(`the head serves in the network namespace ${paths.namespace}`);
  for (let index = 1; index <= options.nodes; index += 1) {
    signal.throwIfAborted();
    const machine = newMachine(index, firmwareOf(options.firmware, index - 1));
    await registerMachine(client, machine);
    await addMachine(paths, machine);
  }
  if (options.wait) return watchUntilUp(paths, options, context);
  return readStatus(paths, openState(paths), context.connectHead);
}

function accelerationFor(paths: LabPaths, wanted: LabUpOptions["accelerator"]): Promise<Acceleration> {
  if (wanted !== "auto") return Promise.resolve({ accelerator: wanted, reason: "as told" });
  return probeAcceleration(inNamespace(paths.namespace, [qemuProgram]), `${paths.directory}/boot-sector`);
}

/** See minder.ts. */
async function startMinder(paths: LabPaths): Promise<void> {
  const argv = [process.execPath, `${import.meta.dirname}/minder.ts`, paths.name];
  await startDetached(inNamespace(paths.namespace, argv), `${paths.directory}/minder.log`);
}

async function watchUntilUp(
  paths: LabPaths,
  options: LabUpOptions,
  { connectHead, progress, signal }: LabContext,
): Promise<LabStatus> {
  const startedAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const status = await readStatus(paths, openState(paths), connectHead);
    const elapsedMs = performance.now() - startedAt;
    progress(status, elapsedMs);
    if (allUp(status)) return status;
    if (status.head === "stopped" && !isRunning(readState(paths.state)?.head)) {
      throw headFailure({ log: paths.headLog }, "the lab's head ended");
    }
    const off = status.nodes.filter(({ state }) => state === "off");
    if (off.length > 0) throw stopped(paths, options, off, "went off");
    if (elapsedMs > options.timeoutMs) {
      const late = status.nodes.filter(({ state }) => state !== "up");
      throw stopped(paths, options, late, `did not come up within ${Math.round(options.timeoutMs / 1000)} s`);
    }
    await sleep(1000, undefined, { signal });
  }
}

function stopped(
  paths: LabPaths,
  options: LabUpOptions,
  nodes: readonly LabNode[],
  message: string,
): AppError {
  const faults: Fault[] = nodes.flatMap(({ name, state }) => {
    const files = machinePaths(paths, name);
    return [
      { place: name, message: `stands at ${state}` },
      { place: name, message: `the end of its console:\n${lastWords(files.consoleLog)}` },
      ...(state === "off" ? [{ place: name, message: `QEMU said:\n${lastLines(files.log, 4)}` }] : []),
    ];
  });
  const first = nodes[0]?.name ?? "";
  const flag = nameFlag(paths);
  const hint = options.keep
    ? `provision lab console${flag} ${first}; then provision lab down${flag}`
    : `provision lab up${flag} --keep, which leaves it for you to look at`;
  return new AppError("unavailable", `${nodes.map(({ name }) => name).join(", ")} ${message}`, {
    faults,
    hint,
  });
}

/** Firmware moves the cursor about; only its words are of interest here. */
function lastWords(consoleLog: string): string {
  const text = stripVTControlCharacters(lastLines(consoleLog, 40)).replaceAll(/[^\n\P{Cc}]/gu, "");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return lines.slice(-6).join("\n") || "it wrote nothing";
}
