import type { Ipv4 } from "../lib/ipv4.ts";
import { type Log } from "../lib/log.ts";
import type { Lease } from "../model/node.ts";
import type { LeaseTable } from "./leases.ts";

/** Where leases are kept; `saveLeases` resolves when they are on disk, and saves all or none. */
export type LeaseStore = {
  loadLeases: () => Promise<readonly Lease[]>;
  saveLeases: (leases: readonly Lease[]) => Promise<void>;
};

/** More are dropped, not queued: the client asks again, and a late ACK helps nobody. */
const maxWaiting = 4096;

/** `done` is told whether the leases are on the disk; it must not throw. */
type Waiting = { leases: readonly Lease[]; done: (saved: boolean) => void };

/**
 * Makes leases durable. They are in the table at once, so that the next request sees them taken; what could not be saved
 * is taken back out. Commits are grouped: all that arrives in one turn of the event loop, and all that arrives while a
 * commit is under way, is one call of the store.
 */
export class LeaseWriter {
  readonly #table: LeaseTable;
  readonly #store: LeaseStore;
  readonly #log: Log;
  /** What is on disk, for addresses whose lease in the table is newer. */
  readonly #durable = new Map<Ipv4, Lease | undefined>();
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(table: LeaseTable, store: LeaseStore, log: Log) {
    this.#table = table;
    this.#store = store;
    this.#log = log;
  }

  /** Too many wait for a commit already: what comes now is to be dropped. */
  get isFull(): boolean {
    return this.#waiting.length >= maxWaiting;
  }

  /** The disk is behind: the next commit is a large one already. */
  get isBehind(): boolean {
    return this.#waiting.length >= maxWaiting / 4;
  }

  /** Tells `done` true when the leases are durable, false when they could not be saved. Never throws. */
  save(leases: readonly Lease[], done: (saved: boolean) => void): void {
    for (const lease of leases) {
      const earlier = this.#table.get(lease.ip);
      if (!this.#durable.has(lease.ip)) this.#durable.set(lease.ip, earlier);
      this.#table.set(lease);
    }
    this.#waiting.push({ leases, done });
    this.#running ??= this.#commitAll();
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #commitAll(): Promise<void> {
    // After the packets that are in the socket's buffer now.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const saved = await this.#commit(batch);
      for (const entry of batch) entry.done(saved);
    }
    this.#running = undefined;
  }

  async #commit(batch: readonly Waiting[]): Promise<boolean> {
    // The last of each address, in the order of arrival.
    const latest = new Map<Ipv4, Lease>();
    for (const { leases } of batch) for (const lease of leases) latest.set(lease.ip, lease);
    try {
      await this.#store.saveLeases([...latest.values()]);
    } catch (error) {
      this.#log.error({ err: error, leases: latest.size }, "leases could not be saved: not acknowledged");
      for (const lease of latest.values()) this.#takeBack(lease);
      return false;
    }
    for (const lease of latest.values()) {
      if (this.#table.get(lease.ip) === lease) this.#durable.delete(lease.ip);
      else this.#durable.set(lease.ip, lease);
    }
    return true;
  }

  /** A newer lease of the address, which waits for its own commit, stays. */
  #takeBack(lease: Lease): void {
    if (this.#table.get(lease.ip) !== lease) return;
    this.#table.restore(lease.ip, this.#durable.get(lease.ip));
    this.#durable.delete(lease.ip);
  }
}
