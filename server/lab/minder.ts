import { existsSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { resetMachine } from "./machine.ts";
import { labPaths, machinePaths } from "./paths.ts";
import { isRunning, lastLines } from "../system/processes.ts";
import { readState } from "./state.ts";

/**
 * EDK2 tries each boot option once and then waits for somebody at the keyboard, where a rack's machine would be set to
 * try for ever. This process of the lab, started as `node minder.ts NAME`, presses the reset button then.
 */
const givenUp = /(?:Shell>|Press any key to enter the Boot Manager Menu\.)\s*$/;

const lookEveryMs = 5000;

/** True when a UEFI machine's console ends with its firmware waiting for a person. */
export function hasGivenUp(consoleText: string): boolean {
  return givenUp.test(consoleText);
}

/** Watches until the lab is gone. */
async function mind(name: string): Promise<void> {
  const paths = labPaths(name);
  const pressed = new Map<string, number>();
  while (existsSync(paths.directory)) {
    for (const machine of readState(paths.state)?.machines ?? []) {
      const log = machinePaths(paths, machine.name).consoleLog;
      const stuck =
        machine.firmware === "uefi" && isRunning(machine.process) && hasGivenUp(lastLines(log, 3));
      const bytes = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
      // No byte more than last time: that reset has not shown yet.
      if (stuck && pressed.get(machine.name) !== bytes) {
        pressed.set(machine.name, bytes);
        await resetMachine(paths, machine).catch(() => undefined); // it is being switched off
      }
    }
    await sleep(lookEveryMs);
  }
}

if (import.meta.main) await mind(process.argv[2] ?? "");
