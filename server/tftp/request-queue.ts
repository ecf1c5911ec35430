import type { Ip } from "../lib/ipv6.ts";

export type QueueLimits = {
  /** Requests that wait at a time. */
  queued: number;
  /** Requests of one address that wait at a time. */
  queuedPerClient: number;
  /** A client that has not asked again for so long waits no more: firmware asks every 1 to 16 s. */
  queuedMs: number;
};

type Waiting<T> = { item: T; askedAtMs: number };

/** Requests that wait for their turn: one of each client after the other, each client's in the order they came. */
export class RequestQueue<T> {
  readonly #limits: QueueLimits;
  readonly #onDropped: (item: T) => void;
  /** Whose turn it is first. */
  readonly #clients = new Map<Ip, Waiting<T>[]>();
  #length = 0;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  /** `onDropped`: the client has not asked again for too long. */
  constructor(limits: QueueLimits, onDropped: (item: T) => void) {
    this.#limits = limits;
    this.#onDropped = onDropped;
  }

  get length(): number {
    return this.#length;
  }

  /** False: there is no room. */
  add(client: Ip, item: T, nowMs: number): boolean {
    if (this.#length >= this.#limits.queued) this.#sweep(nowMs);
    if (this.#length >= this.#limits.queued) return false;
    const own = this.#clients.get(client);
    if (own !== undefined && own.length >= this.#limits.queuedPerClient) return false;
    this.#length += 1;
    if (own === undefined) this.#clients.set(client, [{ item, askedAtMs: nowMs }]);
    else own.push({ item, askedAtMs: nowMs });
    return true;
  }

  /** The client has asked for it again, so it is still there. */
  askedAgain(client: Ip, item: T, nowMs: number): void {
    const waiting = this.#clients.get(client)?.find((each) => each.item === item);
    if (waiting !== undefined) waiting.askedAtMs = nowMs;
  }

  remove(client: Ip, item: T): void {
    const own = this.#clients.get(client);
    const index = own?.findIndex((each) => each.item === item) ?? -1;
    if (own === undefined || index < 0) return;
    own.splice(index, 1);
    this.#length -= 1;
    if (own.length === 0) this.#clients.delete(client);
  }

  /** The next one whose client may begin; then it is another client's turn. */
  next(mayBegin: (client: Ip) => boolean, nowMs: number): T | undefined {
    for (const [client, own] of this.#clients) {
      this.#dropOld(own, nowMs);
      if (own.length > 0 && !mayBegin(client)) continue;
      const first = own.shift();
      this.#clients.delete(client);
      if (own.length > 0) this.#clients.set(client, own);
      if (first === undefined) continue;
      this.#length -= 1;
      return first.item;
    }
    return undefined;
  }

  clear(): void {
    this.#clients.clear();
    this.#length = 0;
  }

  /** Looks at all of them, at most once a second: under a flood each request would cost a look at every other. */
  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptAtMs < 1000) return;
    this.#sweptAtMs = nowMs;
    for (const [client, own] of this.#clients) {
      this.#dropOld(own, nowMs);
      if (own.length === 0) this.#clients.delete(client);
    }
  }

  #dropOld(own: Waiting<T>[], nowMs: number): void {
    const old = own.filter(({ askedAtMs }) => nowMs - askedAtMs >= this.#limits.queuedMs);
    if (old.length === 0) return;
    const kept = own.filter((waiting) => !old.includes(waiting));
    this.#length -= old.length;
    own.splice(0, own.length, ...kept);
    for (const { item } of old) this.#onDropped(item);
  }
}
