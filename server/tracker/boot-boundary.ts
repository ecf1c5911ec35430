import type { BootEvent } from "../model/boot-event.ts";
import { type Phase, stepIndex } from "../model/phase.ts";

/**
 * True when the event begins another boot of a machine that stands at `phase`. Firmware repeats its DISCOVER, a chained
 * iPXE asks by DHCP again, and our script starts over when a download fails: none of these is a new boot.
 */
export function beginsBoot(phase: Phase, event: BootEvent): boolean {
  if (event.kind === "offered" && event.client === "firmware") return phase !== "offered";
  if ((event.kind === "offered" && event.client === "ipxe") || event.kind === "loader") {
    return !isBetween(phase, "offered", "script");
  }
  return (event.kind === "script" || event.kind === "waiting") && !isBetween(phase, "offered", "overlay");
}

function isBetween(phase: Phase, first: Phase, last: Phase): boolean {
  const index = stepIndex(phase);
  return index >= stepIndex(first) && index <= stepIndex(last);
}
