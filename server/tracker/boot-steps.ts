import type { WhyStep } from "../model/answers.ts";
import type { BootEvent } from "../model/boot-event.ts";
import { type BootStep, bootSteps, type Phase, stepIndex } from "../model/phase.ts";
import { textOf } from "./event-text.ts";

const waitingTexts: Readonly<Record<BootStep, string>> = {
  offered: "asks for an address",
  loader: "fetches a boot loader",
  script: "fetches its boot script",
  kernel: "fetches the kernel",
  initrd: "fetches the initrd",
  overlay: "fetches its own settings",
  starting: "kernel starts, initrd brings up the network",
  root: "mounts its root",
  up: "starts its system and its agent",
};

/** The events that belong to the last try: a boot script fetched anew starts the downloads over. */
export function lastEventOf(events: readonly BootEvent[], step: BootStep): BootEvent | undefined {
  return events.findLast(
    (event) => event.kind === step && !(event.kind === "offered" && event.client === "system"),
  );
}

/**
 * One row for each step of a boot. A step is done when its event was seen, or when a later one was (a firmware that is
 * an iPXE fetches no loader: such a step is left out).
 */
export function stepsOf(events: readonly BootEvent[], phase: Phase, stuck: boolean): WhyStep[] {
  const startedAtMs = events[0]?.atMs ?? 0;
  const seen = bootSteps.map((step) => lastEventOf(events, step));
  const furthest = seen.findLastIndex((event) => event !== undefined);
  const failed = events.findLast((event) => event.kind === "failed");
  return bootSteps.flatMap((step, index): WhyStep[] => {
    const event = seen[index];
    if (event !== undefined) {
      const transfer = "durationMs" in event ? { durationMs: event.durationMs } : {};
      const bytes = "bytes" in event ? { bytes: event.bytes } : {};
      return [
        {
          step,
          state: "done",
          atMs: event.atMs,
          sinceStartMs: event.atMs - startedAtMs,
          ...bytes,
          ...transfer,
          text: textOf(event),
        },
      ];
    }
    if (index < furthest) return [];
    if (index > furthest + 1) return [{ step, state: "missing", text: waitingTexts[step] }];
    if (failed?.kind === "failed" && phase === "failed")
      return [{ step, state: "failed", text: failed.message }];
    return [{ step, state: stuck || stepIndex(phase) < 0 ? "failed" : "waiting", text: waitingTexts[step] }];
  });
}
