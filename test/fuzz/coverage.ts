import { Session } from "node:inspector/promises";

/** Characters of source text, by script: 1 where they ran. */
export type Blocks = ReadonlyMap<string, Uint8Array>;

/** V8's block coverage of this thread: which pieces of our own code have run (Chrome DevTools protocol, Profiler). */
export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Map<string, Uint8Array>();
  readonly #rooms: readonly string[];

  /** `rooms`: only scripts with one of these in their URL count. */
  constructor(rooms: readonly string[]) {
    this.#rooms = rooms;
  }

  async start(): Promise<void> {
    this.#session.connect();
    await this.#session.post("Profiler.enable");
    await this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  async stop(): Promise<void> {
    await this.#session.post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }

  /** Characters that have run. */
  get size(): number {
    return [...this.#seen.values()].reduce((sum, ran) => sum + count(ran), 0);
  }

  /** What has run since the last call and had not by the last `keep`; empty when that is nothing. */
  async fresh(): Promise<Blocks> {
    const { result } = await this.#session.post("Profiler.takePreciseCoverage");
    const found = new Map<string, Uint8Array>();
    for (const { url, functions } of result) {
      if (!this.#rooms.some((room) => url.includes(room))) continue;
      const ranges = functions.flatMap((each) => each.ranges);
      const ran = new Uint8Array(Math.max(0, ...ranges.map(({ endOffset }) => endOffset)));
      // The outer before the inner: what lies within a range has its own count.
      for (const range of ranges) ran.fill(range.count > 0 ? 1 : 0, range.startOffset, range.endOffset);
      const seen = this.#seen.get(url) ?? new Uint8Array();
      const fresh = ran.map((value, at) => (seen[at] === 1 ? 0 : value));
      if (fresh.includes(1)) found.set(url, fresh);
    }
    return found;
  }

  keep(blocks: Blocks): void {
    for (const [url, fresh] of blocks) {
      const seen = this.#seen.get(url) ?? new Uint8Array();
      const longer = new Uint8Array(Math.max(seen.length, fresh.length));
      longer.set(seen);
      this.#seen.set(
        url,
        longer.map((value, at) => value | (fresh[at] ?? 0)),
      );
    }
  }
}

/** Whether all of `wanted` is in `reached`. */
export function reaches(reached: Blocks, wanted: Blocks): boolean {
  return [...wanted].every(([url, blocks]) => {
    const found = reached.get(url);
    return found !== undefined && blocks.every((value, at) => value === 0 || found[at] === 1);
  });
}

function count(ran: Uint8Array): number {
  return ran.reduce((sum, value) => sum + value, 0);
}
