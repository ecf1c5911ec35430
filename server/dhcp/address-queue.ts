type Entry = { atMs: number; ip: number };

/**
 * Addresses by the time from which they may be free, the earliest first: a binary heap. The times are lower bounds; who
 * takes the first one checks, and defers it when it is not free yet, so a renewal costs the queue nothing.
 */
export class AddressQueue {
  readonly #heap: Entry[] = [];
  /** The time that counts for each address; an entry with another one is left over and skipped. */
  readonly #atMs = new Map<number, number>();

  has(ip: number): boolean {
    return this.#atMs.has(ip);
  }

  first(): Readonly<Entry> | undefined {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#atMs.get(first.ip) === first.atMs) return first;
      this.#removeFirst();
    }
    return undefined;
  }

  /** Adds an address, or brings one forward; a later time than the one it has is ignored. */
  add(ip: number, atMs: number): void {
    const known = this.#atMs.get(ip);
    if (known !== undefined && known <= atMs) return;
    this.#atMs.set(ip, atMs);
    this.#heap.push({ atMs, ip });
    this.#rise(this.#heap.length - 1);
  }

  /** Gives the first address a later time. */
  deferFirst(atMs: number): void {
    const first = this.first();
    if (first === undefined) return;
    this.#atMs.set(first.ip, atMs);
    this.#heap[0] = { atMs, ip: first.ip };
    this.#sink(0);
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(start: number): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfEarlier(at, parent)) return;
      at = parent;
    }
  }

  #sink(start: number): void {
    let at = start;
    for (;;) {
      const left = 2 * at + 1;
      const child = this.#isBefore(left + 1, left) ? left + 1 : left;
      if (!this.#swapIfEarlier(child, at)) return;
      at = child;
    }
  }

  #swapIfEarlier(lower: number, upper: number): boolean {
    if (!this.#isBefore(lower, upper)) return false;
    const below = this.#heap[lower];
    const above = this.#heap[upper];
    if (below === undefined || above === undefined) return false;
    this.#heap[lower] = above;
    this.#heap[upper] = below;
    return true;
  }

  /** Of the same time, the lower address first: the same history gives the same addresses. */
  #isBefore(left: number, right: number): boolean {
    const one = this.#heap[left];
    const other = this.#heap[right];
    if (one === undefined || other === undefined) return false;
    return one.atMs === other.atMs ? one.ip < other.ip : one.atMs < other.atMs;
  }
}
