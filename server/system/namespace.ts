import { readdirSync } from "node:fs";
import { identify, type ProcessIdentity, run } from "./processes.ts";

/** A command line that runs inside the namespace. */
export function inNamespace(namespace: string, argv: readonly string[]): string[] {
  return ["ip", "netns", "exec", namespace, ...argv];
}

export function namespaceExists(namespace: string): boolean {
  try {
    return readdirSync("/run/netns").includes(namespace);
  } catch {
    return false; // no namespace was ever made here
  }
}

/** Every process in the namespace: only what its maker started can be there. */
export async function processesIn(namespace: string): Promise<ProcessIdentity[]> {
  const pids = (await run(["ip", "netns", "pids", namespace])).split("\n").map(Number);
  return pids.flatMap((pid) => (pid > 0 ? (identify(pid) ?? []) : []));
}

/** Its devices go with it. */
export async function removeNamespace(namespace: string): Promise<void> {
  await run(["ip", "netns", "delete", namespace]);
}
