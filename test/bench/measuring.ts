import { type Failure, goal, ours, rowsOf, type Row, type Sample, type Suite } from "./report.ts";
import type { Loads } from "./loads.ts";
import type { Rivals } from "./rivals.ts";
import type { Workplace } from "./workplace.ts";

/** What every suite works with. */
export type Bench = { workplace: Workplace; rivals: Rivals; loads: Loads; quick: boolean };

/** Samples of one suite as they come in, and what could not be measured. */
export class Measurements {
  readonly samples: Sample[] = [];
  readonly failures: Failure[] = [];

  add(name: string, server: string, unit: Sample["unit"], value: number): void {
    this.samples.push({ case: name, server, unit, value });
  }

  /** A figure of ours, held against what it is to be. */
  addWithGoal(name: string, unit: Sample["unit"], value: number, wanted: number): void {
    this.add(name, ours, unit, value);
    this.add(name, goal, unit, wanted);
  }

  fail(server: string, error: unknown, name?: string): void {
    const message = firstLine(error);
    const known = this.failures.some((each) => each.server === server && each.case === name);
    if (!known) this.failures.push({ ...(name === undefined ? {} : { case: name }), server, message });
  }

  rows(suite: Suite): Row[] {
    return rowsOf(suite, this.samples, this.failures);
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n").find((line) => line.trim() !== "") ?? "failed";
}
