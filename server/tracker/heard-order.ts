/** When each of the nodes that are up was heard last, so that finding the silent ones costs nothing while none is. */
export class HeardOrder {
  /** Milliseconds by node, the longest silent first. */
  readonly #heardMs = new Map<number, number>();
  #newestMs = Number.NEGATIVE_INFINITY;
  #isSorted = true;

  hear(nodeId: number, atMs: number): void {
    this.#heardMs.delete(nodeId);
    this.#heardMs.set(nodeId, atMs);
    if (atMs < this.#newestMs) this.#isSorted = false;
    else this.#newestMs = atMs;
  }

  forget(nodeId: number): void {
    this.#heardMs.delete(nodeId);
  }

  heardMs(nodeId: number): number | undefined {
    return this.#heardMs.get(nodeId);
  }

  /** Those not heard since `atMs`, `most` of them at most, the longest silent first. */
  silentSince(atMs: number, most = Number.POSITIVE_INFINITY): number[] {
    if (!this.#isSorted) this.#sort();
    const silent: number[] = [];
    for (const [nodeId, heardMs] of this.#heardMs) {
      if (heardMs > atMs || silent.length >= most) break;
      silent.push(nodeId);
    }
    return silent;
  }

  /** After the clock was set back. */
  #sort(): void {
    const entries = [...this.#heardMs].sort((one, other) => one[1] - other[1]);
    this.#heardMs.clear();
    for (const [nodeId, heardMs] of entries) this.#heardMs.set(nodeId, heardMs);
    this.#newestMs = entries.at(-1)?.[1] ?? Number.NEGATIVE_INFINITY;
    this.#isSorted = true;
  }
}
