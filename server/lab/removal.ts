import { existsSync, rmSync } from "node:fs";
import { namespaceExists, processesIn, removeNamespace } from "../system/namespace.ts";
import type { LabPaths } from "./paths.ts";
import {
  endProcesses,
  isRunning,
  type ProcessIdentity,
  signalProcess,
  waitForEnd,
} from "../system/processes.ts";
import { type LabState, readState } from "./state.ts";

/** How long the head may take to stop its parts in order. */
const patienceMs = 10_000;

/**
 * Ends and removes all that a lab consists of, from whatever is found: the namespace with every process in it, the
 * processes that the state names, the directories. Works after a crash at any moment, and twice.
 * @returns false when there was nothing
 */
export async function removeLab(paths: LabPaths): Promise<boolean> {
  const directories = [paths.exported, paths.directory];
  const found = directories.some((directory) => existsSync(directory)) || namespaceExists(paths.namespace);
  const state = readState(paths.state);
  await endMaker(state);
  // Machines first, without ado; the head is given time to stop its NFS server.
  const machines = state?.machines.flatMap(({ process }) => process ?? []) ?? [];
  for (const machine of machines) signalProcess(machine, "SIGKILL");
  if (state?.head !== undefined) await endProcesses([state.head], patienceMs);
  await waitForEnd(machines, patienceMs);
  if (namespaceExists(paths.namespace)) {
    await endProcesses(await processesIn(paths.namespace), patienceMs);
    await removeNamespace(paths.namespace);
  }
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  return found;
}

/** A `lab up` that is still at it would make things behind our back: it is told to stop, and removes what it made. */
async function endMaker(state: LabState | undefined): Promise<void> {
  const maker: ProcessIdentity | undefined = state?.maker;
  if (maker === undefined || maker.pid === process.pid || !isRunning(maker)) return;
  await endProcesses([maker], 30_000);
}
