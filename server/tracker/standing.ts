import type { BootEvent } from "../model/boot-event.ts";
import type { Boot } from "../model/boot-record.ts";
import { nextPhase, type Phase } from "../model/phase.ts";
import { Allowance } from "./allowance.ts";
import { beginsBoot } from "./boot-boundary.ts";

/** A machine's place: its phase and the boot it is in. */
export type Standing = {
  phase: Phase;
  phaseSinceMs: number;
  boot: Boot | undefined;
  /** Events of this boot since the head began. */
  events: number;
  /** For what anybody can make the head see in this machine's name. */
  seen: Allowance | undefined;
  /** For what the node says of itself. */
  said: Allowance | undefined;
};

export type Step = { begins: boolean; phase: Phase; phaseSinceMs: number };

/** More than the chattiest firmware; a boot has about a dozen. */
const eventRate = { burst: 100, perSecond: 2 };
/** Of one boot; what changes the phase is recorded even then. */
const eventsOfBoot = 1000;

/** What a node says of itself, with proof of who it is. */
const ownWords: ReadonlySet<BootEvent["kind"]> = new Set(["starting", "root", "up", "stopping", "failed"]);

export function newStanding(phaseSinceMs: number): Standing {
  return { phase: "new", phaseSinceMs, boot: undefined, events: 0, seen: undefined, said: undefined };
}

/** Where an event takes a machine. */
export function stepOf(standing: Standing, event: BootEvent): Step {
  const begins = beginsBoot(standing.phase, event);
  const ownPhase = event.kind === "offered" && event.client === "system";
  const phase = ownPhase ? standing.phase : nextPhase(begins ? "new" : standing.phase, event.kind);
  const phaseSinceMs = phase === standing.phase && !begins ? standing.phaseSinceMs : event.atMs;
  return { begins, phase, phaseSinceMs };
}

/** False when the machine has caused more than any does: the event is then as if it had not been. */
export function isWithinRate(standing: Standing, event: BootEvent, step: Step): boolean {
  if (event.kind === "lost" || event.kind === "returned") return true; // the head's own word, after seconds of silence
  if (standing.events >= eventsOfBoot && step.phase === standing.phase && !step.begins) return false;
  if (ownWords.has(event.kind)) return (standing.said ??= new Allowance(eventRate)).take(event.atMs);
  return (standing.seen ??= new Allowance(eventRate)).take(event.atMs);
}
