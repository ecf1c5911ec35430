import type { Hardware } from "../../agent/contract.ts";
import { messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Mac } from "../lib/mac.ts";
import type { NodeState, TrackerBatch, WrittenEvent } from "../model/boot-record.ts";
import type { DiscoveredMachine } from "../model/node.ts";

/** Where what is to be written is found when its turn comes: only its newest state is. */
export type JournalParts = {
  save: (batch: TrackerBatch) => Promise<void>;
  state: (nodeId: number) => NodeState | undefined;
  machine: (mac: Mac) => DiscoveredMachine | undefined;
  log: Log;
};

/** Rows of one commit: packets are answered in between. */
const rowsOfCommit = 500;
/** Bound on what waits while the disk is full. */
const queueLimit = 100_000;

/** What the tracker has yet to write. Nothing is lost while the disk refuses, up to a bound. */
export class Journal {
  readonly #parts: JournalParts;
  #events: WrittenEvent[] = [];
  readonly #states = new Set<number>();
  readonly #hardware = new Map<number, Hardware>();
  readonly #machines = new Set<Mac>();
  readonly #forgotten = new Set<Mac>();
  #writing: Promise<void> | undefined;

  constructor(parts: JournalParts) {
    this.#parts = parts;
  }

  event(event: WrittenEvent): void {
    if (this.#events.length < queueLimit) this.#events.push(event);
  }

  state(nodeId: number): void {
    this.#states.add(nodeId);
  }

  hardware(nodeId: number, hardware: Hardware): void {
    this.#hardware.set(nodeId, hardware);
  }

  machine(mac: Mac): void {
    this.#machines.add(mac);
    this.#forgotten.delete(mac);
  }

  forget(mac: Mac): void {
    this.#machines.delete(mac);
    this.#forgotten.add(mac);
  }

  /** Resolves when all that came before the call is on the disk, or could not be written now. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (let batch = this.#take(); batch !== undefined; batch = this.#take()) {
      try {
        await this.#parts.save(batch);
      } catch (error) {
        this.#putBack(batch);
        const fields = { error: messageOf(error), events: this.#events.length };
        this.#parts.log.error(fields, "boot events could not be written, trying again");
        return;
      }
    }
  }

  /** Events before what is to be forgotten: a machine's last events go with it. */
  #take(): TrackerBatch | undefined {
    const { state, machine } = this.#parts;
    const batch: TrackerBatch = {
      events: this.#events.slice(0, rowsOfCommit),
      states: takeFrom(this.#states).flatMap((nodeId) => state(nodeId) ?? []),
      hardware: takeFrom(this.#hardware),
      discovered: takeFrom(this.#machines).flatMap((mac) => machine(mac) ?? []),
      forgotten: this.#events.length > rowsOfCommit ? [] : takeFrom(this.#forgotten),
    };
    this.#events = this.#events.slice(rowsOfCommit);
    return Object.values(batch).some((rows) => rows.length > 0) ? batch : undefined;
  }

  #putBack(batch: TrackerBatch): void {
    this.#events = [...batch.events, ...this.#events].slice(0, queueLimit);
    for (const { nodeId } of batch.states) this.#states.add(nodeId);
    for (const [nodeId, hardware] of batch.hardware) {
      if (!this.#hardware.has(nodeId)) this.#hardware.set(nodeId, hardware);
    }
    for (const { mac } of batch.discovered) if (!this.#forgotten.has(mac)) this.#machines.add(mac);
    for (const mac of batch.forgotten) if (!this.#machines.has(mac)) this.#forgotten.add(mac);
  }
}

/** Removes the first ones of a set or a map, and returns them. */
function takeFrom<T>(from: Set<T>): T[];
function takeFrom<K, V>(from: Map<K, V>): [K, V][];
function takeFrom(from: Set<unknown> | Map<unknown, unknown>): unknown[] {
  const taken: unknown[] = [];
  for (const item of from) {
    if (taken.length === rowsOfCommit) break;
    taken.push(item);
  }
  for (const item of taken) from.delete(from instanceof Map ? (item as [unknown])[0] : item);
  return taken;
}
