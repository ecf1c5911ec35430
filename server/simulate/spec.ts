import type { WalkFirmware, WalkPhase } from "./effects.ts";

/** What the process that plays the machines is told: one line of JSON on its standard input, whose end ends it. */
export type WalkSpec = {
  /** The interface by which the machines are plugged in. */
  device: string;
  machines: readonly WalkMachine[];
  seed: number;
  /** Machines under way at once. */
  concurrency: number;
  /** All at once, or so many a second, at random. */
  arrival: { kind: "all" } | { kind: "poisson"; perSecond: number };
  /** See Machine in effects.ts. */
  patienceMs: number;
  firstFailureEnds: boolean;
  files: boolean;
  /** The firmware's own pauses are multiplied by this. */
  pace: number;
  /** Every packet as text. */
  transcript: boolean;
  ports: { dhcp: number; tftp: number };
};

export type WalkMachine = { name: string; mac: string; firmware: WalkFirmware };

/** How one machine fared. */
export type WalkOutcome = {
  name: string;
  firmware: WalkFirmware;
  /** Where it ended; `up` is the last phase of a boot. */
  phase: WalkPhase;
  /** Why it did not come up; absent: it is up. */
  failure?: { message: string; hint?: string };
  /** In each phase, without the firmware's own pauses and what the head's scripts made it sleep. */
  phaseMs: Readonly<Partial<Record<WalkPhase, number>>>;
  /** Slept because a script said so. */
  toldMs: number;
  /** Power on to the end, everything included. */
  totalMs: number;
  /** Of files, scripts and answers. */
  bytes: number;
  /** Packets sent again because nothing came. */
  repeats: number;
};

/** `>`: sent. `<`: came. `-`: what is made of it. */
export type TranscriptEntry = { mark: ">" | "<" | "-"; title: string; text?: string };

/** What that process says, a line of JSON each. */
export type WalkLine =
  | { line: "started"; atMs: number }
  | { line: "entry"; atMs: number; phase: WalkPhase; entry: TranscriptEntry }
  | { line: "progress"; started: number; phases: Readonly<Partial<Record<WalkPhase, number>>> }
  | ({ line: "outcome" } & WalkOutcome)
  | { line: "ended"; atMs: number; cpuMs: number }
  | { line: "failed"; message: string; hint?: string };
