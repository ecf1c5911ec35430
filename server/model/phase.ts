import type { BootEventKind } from "./boot-event.ts";

/** Where a machine stands. The first eight are a boot's steps, in order. */
export const bootSteps = [
  "offered",
  "loader",
  "script",
  "kernel",
  "initrd",
  "overlay",
  "starting",
  "root",
  "up",
] as const;

export type BootStep = (typeof bootSteps)[number];

/** `new`: never seen to boot; `lost`: stopped answering; `down`: shut down in order; `failed`: said why it stopped. */
export type Phase = "new" | BootStep | "lost" | "down" | "failed";

/** How far along a boot a phase is; -1 where it is no step of one. */
export function stepIndex(phase: Phase): number {
  return (bootSteps as readonly string[]).indexOf(phase);
}

/** The phase after an event. A step never goes back within one boot: files may be fetched twice or out of order. */
export function nextPhase(phase: Phase, kind: BootEventKind): Phase {
  switch (kind) {
    case "offered":
    case "loader":
    case "script":
    case "kernel":
    case "initrd":
    case "overlay":
    case "starting":
    case "root":
    case "up": {
      return stepIndex(kind) > stepIndex(phase) ? kind : phase;
    }
    case "stopping": {
      return "down";
    }
    case "lost": {
      return phase === "down" ? "down" : "lost";
    }
    case "returned": {
      return "up";
    }
    case "failed": {
      return "failed";
    }
    case "refused":
    case "waiting": {
      return phase;
    }
  }
}
