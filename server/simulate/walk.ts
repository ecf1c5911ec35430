import { boot } from "./boot.ts";
import { BootFailure, type Effect, type Event, type Machine, type WalkPhase } from "./effects.ts";
import { Ledger } from "./ledger.ts";
import type { TranscriptEntry, WalkOutcome } from "./spec.ts";
import { entryOfEffect, entryOfEvent } from "./transcript.ts";

export type WalkParts = {
  perform: (effect: Effect) => Event | Promise<Event>;
  /** Milliseconds, from anywhere. */
  nowMs: () => number;
  /** Told of each phase as it begins. */
  reached?: (phase: WalkPhase) => void;
  /** Told of every packet; absent: no text is made of them. */
  entry?: (entry: TranscriptEntry, phase: WalkPhase) => void;
};

/** Walks one machine from power on to its end, up or not. Never rejects but with a defect. */
export async function walk(name: string, machine: Machine, parts: WalkParts): Promise<WalkOutcome> {
  const { nowMs, entry } = parts;
  const startedMs = nowMs();
  const ledger = new Ledger();
  const failure = await failureOf(machine, ledger, parts);
  if (failure !== undefined) entry?.({ mark: "-", title: `failed: ${failure.message}` }, ledger.phase);
  return {
    name,
    firmware: machine.firmware,
    phase: ledger.phase,
    ...(failure === undefined
      ? {}
      : {
          failure: {
            message: failure.message,
            ...(failure.hint === undefined ? {} : { hint: failure.hint }),
          },
        }),
    phaseMs: ledger.phaseMs,
    toldMs: ledger.toldMs,
    totalMs: nowMs() - startedMs,
    bytes: ledger.bytes,
    repeats: ledger.repeats,
  };
}

async function failureOf(
  machine: Machine,
  ledger: Ledger,
  { perform, nowMs, reached, entry }: WalkParts,
): Promise<BootFailure | undefined> {
  const steps = boot(machine);
  try {
    let step = steps.next();
    while (step.done !== true) {
      const effect = step.value;
      const before = entry && entryOfEffect(effect);
      if (before !== undefined) entry?.(before, ledger.phase);
      const sentMs = nowMs();
      const performed = perform(effect);
      const event = performed instanceof Promise ? await performed : performed;
      const tookMs = nowMs() - sentMs;
      ledger.count(effect, event, tookMs);
      if (effect.kind === "phase") reached?.(effect.phase);
      const after = entry && entryOfEvent(effect, event, tookMs);
      if (after !== undefined) entry?.(after, ledger.phase);
      step = steps.next(event);
    }
    return undefined;
  } catch (error) {
    if (error instanceof BootFailure) return error;
    throw error;
  }
}
