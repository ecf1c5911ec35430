/** Buffers of one size, so many at a time; whoever finds none waits in line. */
export class BufferPool {
  readonly #bufferBytes: number;
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #made = 0;

  constructor({ bufferBytes, limit }: { bufferBytes: number; limit: number }) {
    this.#bufferBytes = bufferBytes;
    this.#limit = limit;
  }

  /** To be given back, whatever happens. */
  take(): Promise<Buffer> {
    const free = this.#free.pop();
    if (free !== undefined) return Promise.resolve(free);
    if (this.#made < this.#limit) {
      this.#made += 1;
      return Promise.resolve(Buffer.allocUnsafeSlow(this.#bufferBytes));
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(buffer);
    else next(buffer);
  }
}
