import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../lib/errors.ts";
import type { StatusAnswer } from "../model/answers.ts";
import { inNamespace } from "./namespace.ts";
import { isRunning, lastLines, type ProcessIdentity, startDetached } from "./processes.ts";

/** A head that a command starts for itself, in a network namespace. */
export type HeadPlace = {
  /** As messages call it: `the lab's head`. */
  name: string;
  /** Root of the checkout: its scripts/provision is run. */
  checkout: string;
  namespace: string;
  /** Its configuration. */
  config: string;
  /** What it writes is appended here. */
  log: string;
};

/** A head takes some seconds on a slow machine; its NFS server a few more. */
const startTimeoutMs = 60_000;

/** Starts `provision serve`. It outlives this process. */
export function startHead({ checkout, namespace, config, log }: HeadPlace): Promise<ProcessIdentity> {
  const argv = [`${checkout}/scripts/provision`, "serve", "--config", config];
  return startDetached(inNamespace(namespace, argv), log);
}

/** Waits until the head and all of its parts serve. @throws AppError with the end of its log when it does not come */
export async function waitForHead(
  place: Pick<HeadPlace, "name" | "log">,
  head: ProcessIdentity,
  status: () => Promise<StatusAnswer>,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  let last: unknown;
  for (;;) {
    signal.throwIfAborted();
    if (!isRunning(head)) throw headFailure(place, `${place.name} ended`);
    if (performance.now() > deadline) {
      throw headFailure(place, `${place.name} does not serve after ${startTimeoutMs / 1000} s`, last);
    }
    try {
      const { parts } = await status();
      if (parts.every((part) => part.state === "running")) return;
    } catch (error) {
      last = error; // it does not listen yet
    }
    await sleep(200, undefined, { signal });
  }
}

/** What to say of a head that ended or does not serve: with the end of its log. */
export function headFailure(place: Pick<HeadPlace, "log">, message: string, cause?: unknown): AppError {
  const log = lastLines(place.log, 8);
  return new AppError("unavailable", message, {
    faults: log === "" ? [] : [{ place: place.log, message: `the end of its log:\n${log}` }],
    cause,
  });
}
