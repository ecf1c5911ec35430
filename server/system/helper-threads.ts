import { readFileSync, readdirSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { setFlagsFromString } from "node:v8";

/**
 * Lets V8's helper threads, which collect garbage and compile, wait for the thread that answers packets: where they share a
 * core with it they took it away for tens of milliseconds at a time. Small collections, for which that thread waits, it does
 * by itself: the helpers might be waiting for another program meanwhile.
 */
export function putHelperThreadsLast(): void {
  setFlagsFromString("--no-parallel-scavenge");
  for (const thread of readdirSync("/proc/self/task")) {
    try {
      const name = readFileSync(`/proc/self/task/${thread}/comm`, "latin1");
      // To Linux a thread is a process for setpriority(2); being nicer needs no privilege.
      if (name.includes("V8Worker")) setPriority(Number(thread), constants.priority.PRIORITY_BELOW_NORMAL);
    } catch {
      // it has ended
    }
  }
}
