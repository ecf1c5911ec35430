import { createHash } from "node:crypto";
import { type Blocks, Coverage, reaches } from "./coverage.ts";
import { type Material, mutate, type Random, seededRandom } from "./mutate.ts";

/** One decoder under test. */
export type FuzzTarget = {
  name: string;
  /** Throws for a defect only: what the decoder may throw is caught inside. */
  run: (bytes: Uint8Array) => void;
  /** Valid inputs to begin with. */
  seeds: readonly Uint8Array[];
  /** Byte strings that mean something to it. */
  words: readonly Uint8Array[];
  longest: number;
  /** Parts of the paths of the code whose coverage counts. */
  rooms: readonly string[];
};

/** `covered`: characters of the code under test that have run. */
export type FuzzProgress = { executions: number; covered: number; corpus: number; heapBytes: number };

export type FuzzOptions = {
  seed: number;
  /** Kept inputs of earlier runs. */
  corpus: readonly Uint8Array[];
  /** Asked before every batch. */
  goesOn: (progress: FuzzProgress) => boolean;
  /** Called with the input before it is run: a watchdog that sees a hang can tell by which. */
  onInput?: (bytes: Uint8Array) => void;
  /** An input that ran a piece of code for the first time. */
  onFound?: (bytes: Uint8Array) => void;
};

export type FuzzReport = FuzzProgress & { defect?: { bytes: Uint8Array; error: unknown } };

/** Inputs run between two looks at the coverage, which cost some milliseconds. */
const batchSize = 512;
const trimAttempts = 24;

/**
 * Runs mutations of known inputs and keeps those that reach new code (as AFL does, with V8's block coverage for its
 * feedback). Ends with the first defect, or when `goesOn` says so.
 */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzReport> {
  const run = new FuzzRun(target, options);
  return await run.go();
}

/** The name an input is kept under. */
export function inputName(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

class FuzzRun {
  readonly #target: FuzzTarget;
  readonly #options: FuzzOptions;
  readonly #coverage: Coverage;
  readonly #random: Random;
  readonly #corpus: Uint8Array[] = [];
  #executions = 0;

  constructor(target: FuzzTarget, options: FuzzOptions) {
    this.#target = target;
    this.#options = options;
    this.#coverage = new Coverage(target.rooms);
    this.#random = seededRandom(options.seed);
  }

  async go(): Promise<FuzzReport> {
    await this.#coverage.start();
    try {
      for (const known of [...this.#target.seeds, ...this.#options.corpus]) {
        const defect = this.#runOne(known);
        if (defect !== undefined) return this.#report(defect);
        this.#corpus.push(known);
      }
      this.#coverage.keep(await this.#coverage.fresh());
      while (this.#options.goesOn(this.#progress())) {
        const defect = await this.#batch();
        if (defect !== undefined) return this.#report(defect);
      }
      return this.#report(undefined);
    } finally {
      await this.#coverage.stop();
    }
  }

  async #batch(): Promise<FuzzReport["defect"]> {
    const inputs = Array.from({ length: batchSize }, () => this.#next());
    for (const input of inputs) {
      const defect = this.#runOne(input);
      if (defect !== undefined) return defect;
    }
    const fresh = await this.#coverage.fresh();
    if (fresh.size > 0) await this.#find(inputs);
    // What a repetition did not show again (a cache that is warm by now) counts as seen, or it would be sought for ever.
    this.#coverage.keep(fresh);
    return undefined;
  }

  #next(): Uint8Array {
    const material: Material = {
      corpus: this.#corpus,
      words: this.#target.words,
      longest: this.#target.longest,
    };
    // The newest inputs are the most promising: half of the time one of the last sixteen.
    const from = this.#random() < 0.5 ? Math.max(0, this.#corpus.length - 16) : 0;
    const at = from + Math.floor(this.#random() * (this.#corpus.length - from));
    return mutate(this.#corpus[at] ?? new Uint8Array(), this.#random, material);
  }

  /** Which of the inputs reached something new, by halves. */
  async #find(inputs: readonly Uint8Array[]): Promise<void> {
    for (const input of inputs) this.#runOne(input);
    const fresh = await this.#coverage.fresh();
    if (fresh.size === 0) return;
    const [only] = inputs;
    if (inputs.length > 1 || only === undefined) {
      const middle = inputs.length >> 1;
      await this.#find(inputs.slice(0, middle));
      await this.#find(inputs.slice(middle));
      return;
    }
    const trimmed = await this.#trim(only, fresh);
    this.#coverage.keep(fresh);
    this.#corpus.push(trimmed);
    this.#options.onFound?.(trimmed);
  }

  /** A shorter input that reaches the same. */
  async #trim(bytes: Uint8Array, wanted: Blocks): Promise<Uint8Array> {
    let best = bytes;
    let piece = bytes.length >> 1;
    for (let attempt = 0; attempt < trimAttempts && piece > 0; attempt += 1) {
      const shorter = best.slice(0, best.length - piece);
      this.#runOne(shorter);
      const reached = await this.#coverage.fresh();
      if (reaches(reached, wanted)) best = shorter;
      piece = Math.min(piece >> 1, best.length - 1);
    }
    return best;
  }

  #runOne(bytes: Uint8Array): FuzzReport["defect"] {
    this.#options.onInput?.(bytes);
    this.#executions += 1;
    try {
      this.#target.run(bytes);
      return undefined;
    } catch (error) {
      return { bytes, error };
    }
  }

  #progress(): FuzzProgress {
    return {
      executions: this.#executions,
      covered: this.#coverage.size,
      corpus: this.#corpus.length,
      heapBytes: process.memoryUsage().heapUsed,
    };
  }

  #report(defect: FuzzReport["defect"]): FuzzReport {
    return { ...this.#progress(), ...(defect === undefined ? {} : { defect }) };
  }
}
