/** Counts by name, for `provision status`: `received`, `sent.ACK`, `dropped.<reason>`. */
export class Counters {
  readonly #counts = new Map<string, number>();

  add(name: string, count = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
  }

  all(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

/**
 * `received.DISCOVER` and the like, put together once a name instead of once a packet.
 * @returns the full name.
 */
export function namesUnder(prefix: string): (name: string) => string {
  const full = new Map<string, string>();
  return (name) => {
    const known = full.get(name);
    if (known !== undefined) return known;
    const made = `${prefix}.${name}`;
    full.set(name, made);
    return made;
  };
}
