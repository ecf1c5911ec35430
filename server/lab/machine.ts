import { copyFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../lib/errors.ts";
import { tapName } from "./addresses.ts";
import { controlMachine } from "./control.ts";
import { uefiVariables } from "./firmware.ts";
import { inNamespace } from "../system/namespace.ts";
import { type LabPaths, machinePaths } from "./paths.ts";
import { isRunning, lastLines, signalProcess, startDetached, waitForEnd } from "../system/processes.ts";
import { qemuArguments } from "./qemu.ts";
import type { LabMachine, LabState } from "./state.ts";

/** Which QEMU; arm64 hosts emulate the same x86 machines. */
export const qemuProgram = "qemu-system-x86_64";

/** Switches a machine on. @throws AppError with what QEMU said when it does not run */
export async function switchOn(paths: LabPaths, state: LabState, machine: LabMachine): Promise<LabMachine> {
  const files = machinePaths(paths, machine.name);
  if (machine.firmware === "uefi") copyFileSync(uefiVariables, files.variables);
  for (const socket of [files.console, files.control]) rmSync(socket, { force: true });
  const argv = [
    qemuProgram,
    ...qemuArguments({
      title: `${paths.namespace}-${machine.name}`,
      firmware: machine.firmware,
      accelerator: state.accelerator,
      memoryMiB: state.memoryMiB,
      cpus: state.cpus,
      mac: machine.mac,
      tap: tapName(machine.index),
      files,
    }),
  ];
  const startedAtMs = Date.now();
  const process = await startDetached(inNamespace(paths.namespace, argv), files.log);
  const switched = { ...machine, process, startedAtMs };
  await waitForControl(paths, switched);
  return switched;
}

/** QEMU has taken its options, its files and its network device when its control socket answers. */
async function waitForControl(paths: LabPaths, machine: LabMachine): Promise<void> {
  const files = machinePaths(paths, machine.name);
  const deadline = performance.now() + 20_000;
  for (;;) {
    try {
      await controlMachine(files.control, "query-status");
      return;
    } catch (error) {
      if (!isRunning(machine.process) || performance.now() > deadline) {
        throw new AppError("environment", `machine ${machine.name} does not start`, {
          faults: [{ place: files.log, message: lastLines(files.log, 5) || "QEMU said nothing" }],
          cause: error,
        });
      }
    }
    await sleep(100);
  }
}

/** Cuts the power: what the machine was doing, it has no time to end. */
export async function switchOff(machine: LabMachine): Promise<LabMachine> {
  const { process, ...off } = machine;
  if (process !== undefined) {
    signalProcess(process, "SIGKILL");
    await waitForEnd([process], 10_000);
  }
  return off;
}

/** Presses the reset button. */
export async function resetMachine(paths: LabPaths, machine: LabMachine): Promise<LabMachine> {
  const startedAtMs = Date.now();
  await controlMachine(machinePaths(paths, machine.name).control, "system_reset");
  return { ...machine, startedAtMs };
}
