import type { Core } from "./core.ts";
import { AppError, messageOf } from "./lib/errors.ts";
import type { Log } from "./lib/log.ts";
import type { PartStatus } from "./model/answers.ts";

type Service = { start: () => Promise<void>; stop: () => Promise<void> };

const unseen = ["api", "tracker", "loaders"] as const;

type Unseen = (typeof unseen)[number];

/** A long-lived part of the head. */
export type Part = Service & {
  name: PartStatus["name"] | Unseen;
  /** What `status` says of it besides its state; absent: it is not shown. `state`, where it knows better than whether it was started. */
  status?: () => Pick<PartStatus, "detail"> & Partial<Pick<PartStatus, "counters" | "state">>;
};

/** Started in order, stopped in reverse. */
export class Parts {
  readonly #parts: readonly Part[];
  readonly #log: Log;
  readonly #states = new Map<string, PartStatus["state"]>();

  constructor(parts: readonly Part[], log: Log) {
    this.#parts = parts;
    this.#log = log;
  }

  /** All of them, or none. @throws what the one that failed said, with its name before. */
  async start(core: Pick<Core, "close">): Promise<void> {
    const started: Part[] = [];
    for (const part of this.#parts) {
      try {
        this.#states.set(part.name, "starting");
        await part.start();
        this.#states.set(part.name, "running");
        started.push(part);
      } catch (error) {
        this.#states.set(part.name, "failed");
        await this.#stop(started);
        await core.close();
        throw error instanceof AppError ? named(part.name, error) : error;
      }
    }
  }

  async stop(): Promise<void> {
    await this.#stop(this.#parts);
  }

  /** The last that was started first: what machines meet before anything else. */
  statuses(): PartStatus[] {
    return this.#parts.toReversed().flatMap(({ name, status }) => {
      if (status === undefined || isUnseen(name)) return [];
      const state = this.#states.get(name) ?? "stopped";
      return [{ name, state, counters: {}, ...status() }];
    });
  }

  async #stop(parts: readonly Part[]): Promise<void> {
    for (const part of parts.toReversed()) {
      try {
        await part.stop();
      } catch (error) {
        this.#log.error({ part: part.name, error: messageOf(error) }, "could not be stopped in order");
      }
      this.#states.set(part.name, "stopped");
    }
  }
}

function isUnseen(name: Part["name"]): name is Unseen {
  return unseen.some((each) => each === name);
}

function named(name: string, error: AppError): AppError {
  return new AppError(error.code, `${name}: ${error.message}`, {
    faults: error.faults,
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** `{ dropped: { truncated: 2 } }` as `{ "dropped.truncated": 2 }`. */
export function flatCounters(
  counters: Readonly<Record<string, number | Readonly<Record<string, number>>>>,
): PartStatus["counters"] {
  const flat = Object.entries(counters).flatMap(([name, value]) =>
    typeof value === "number"
      ? [[name, value]]
      : Object.entries(value).map(([inner, count]) => [`${name}.${inner}`, count]),
  );
  return Object.fromEntries(flat) as PartStatus["counters"];
}

/** The same counters of several, added up. */
export function sumCounters(each: readonly PartStatus["counters"][]): PartStatus["counters"] {
  const sum: Record<string, number> = {};
  for (const counters of each) {
    for (const [name, count] of Object.entries(counters ?? {})) sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}
