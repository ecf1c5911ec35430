/** Hands each value to everyone who listens. A listener that throws is dropped, the others go on. */
export class Bus<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** @returns the way out. */
  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(value: T): void {
    for (const listener of this.#listeners) {
      try {
        listener(value);
      } catch {
        this.#listeners.delete(listener);
      }
    }
  }
}
