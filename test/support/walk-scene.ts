import type { Effect, Event, Machine, Walk, WalkFirmware } from "../../server/simulate/effects.ts";
import { mac } from "./dhcp-scene.ts";

/** A machine as a test wants it. */
export function machineOf(firmware: WalkFirmware, changes: Partial<Machine> = {}): Machine {
  return {
    mac: mac("52:54:00:00:04:01"),
    firmware,
    uuid: new Uint8Array(17),
    xids: [0x11111111, 0x22222222, 0x33333333],
    credential: "c".repeat(64),
    patienceMs: 60_000,
    firstFailureEnds: false,
    files: true,
    ...changes,
  };
}

export type Driven<Result> = { effects: Effect[]; result: Result };

/** Runs a walk with a stand-in for the world; whatever it does not answer is done. Throws what the walk throws. */
export function drive<Result>(
  walk: Walk<Result>,
  answer: (effect: Effect, effects: readonly Effect[]) => Event | undefined,
  limit = 500_000,
): Driven<Result> {
  const effects: Effect[] = [];
  let step = walk.next();
  while (step.done !== true) {
    effects.push(step.value);
    if (effects.length > limit) throw new Error("the walk does not come to an end");
    step = walk.next(answer(step.value, effects) ?? { kind: "done" });
  }
  return { effects, result: step.value };
}

/** What a walk throws. */
export function failureOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("the walk did not fail");
}

export function textReply(text: string, status = 200): Event {
  const body = Buffer.from(text);
  return { kind: "http", status, lengthBytes: body.length, bytes: body.length, body };
}
