import { execa } from "execa";
import { AppError, messageOf } from "../lib/errors.ts";

/** Lets further requests for addresses come in before ip(8) is started for all of them. */
const gatherMs = 5;

/** Gives an interface the addresses that simulated machines have got, and takes them away again. */
export class Addresses {
  readonly #device: string;
  readonly #held = new Map<string, Promise<void>>();
  #waiting: { line: string; done: () => void; failed: (error: unknown) => void }[] = [];
  #running = false;

  constructor(device: string) {
    this.#device = device;
  }

  /** Resolves when sockets can be bound to it. */
  add(ip: string, bits: number): Promise<void> {
    const cidr = `${ip}/${bits}`;
    const held = this.#held.get(cidr) ?? this.#change(`address replace ${cidr} dev ${this.#device}`);
    this.#held.set(cidr, held);
    return held;
  }

  /** As it was before. */
  async removeAll(): Promise<void> {
    const lines = [...this.#held.keys()].map((cidr) => `address delete ${cidr} dev ${this.#device}`);
    this.#held.clear();
    await Promise.all(lines.map((line) => this.#change(line)));
  }

  #change(line: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ line, done: resolve, failed: reject });
    if (!this.#running) void this.#run();
    return promise;
  }

  /** Never rejects: who waits for an address is told. */
  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, gatherMs));
      const batch = this.#waiting.splice(0);
      try {
        await execa("ip", ["-batch", "-"], { input: `${batch.map(({ line }) => line).join("\n")}\n` });
        for (const { done } of batch) done();
      } catch (error) {
        const problem = new AppError("environment", `ip(8) cannot give addresses: ${messageOf(error)}`);
        for (const { failed } of batch) failed(problem);
      }
    }
    this.#running = false;
  }
}
