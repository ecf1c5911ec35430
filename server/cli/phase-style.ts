import { assertNever } from "../lib/assert.ts";
import type { Phase } from "../model/phase.ts";
import type { Style } from "./terminal.ts";

/** One colour for each kind of phase, the same in every listing. */
export function phaseStyle(phase: Phase): Style {
  switch (phase) {
    case "up": {
      return "green";
    }
    case "lost":
    case "failed": {
      return "red";
    }
    case "new":
    case "down": {
      return "dim";
    }
    case "offered":
    case "loader":
    case "script":
    case "kernel":
    case "initrd":
    case "overlay":
    case "starting":
    case "root": {
      return "yellow";
    }
    default: {
      return assertNever(phase);
    }
  }
}
