import type { Clock } from "../lib/clock.ts";

/** What a wheel wakes; its field is the wheel's own. */
export type Sleeper = {
  /** The turn it is to be woken in; undefined: none. */
  wheelTurn: number | undefined;
  wake: (nowMs: number) => void;
};

/** Turns kept apart: longer waits come by early and are put in again. */
const slots = 1024;

/**
 * One timer for all transfers, which wakes each in the turn of its time: up to `turnMs` late, never early. Putting a
 * sleeper off, which every ACK does, costs nothing: it is woken at its old time, and says when it wants to be.
 */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #turnMs: number;
  readonly #slots: Sleeper[][] = Array.from({ length: slots }, () => []);
  #sleepers = 0;
  /** Every turn up to this one is over. */
  #turn: number;
  #timer: NodeJS.Timeout | undefined;
  #timerTurn = 0;

  constructor(clock: Clock, turnMs: number) {
    this.#clock = clock;
    this.#turnMs = turnMs;
    this.#turn = this.#turnAt(clock.nowMs());
  }

  /** Wakes the sleeper at or soon after `atMs`; a time that was set before is kept when it is no later. */
  wakeAt(sleeper: Sleeper, atMs: number): void {
    if (this.#sleepers === 0) this.#turn = this.#turnAt(this.#clock.nowMs());
    const wanted = Math.ceil(atMs / this.#turnMs);
    const turn = Math.min(Math.max(wanted, this.#turn + 1), this.#turn + slots - 1);
    if (sleeper.wheelTurn !== undefined && sleeper.wheelTurn <= turn) return;
    sleeper.wheelTurn = turn;
    this.#slots[turn % slots]?.push(sleeper);
    this.#sleepers += 1;
    if (this.#timer === undefined || turn < this.#timerTurn) this.#arm(turn);
  }

  /** Wakes nobody any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const slot of this.#slots) slot.length = 0;
    this.#sleepers = 0;
  }

  #turnAt(nowMs: number): number {
    return Math.floor(nowMs / this.#turnMs);
  }

  #arm(turn: number): void {
    clearTimeout(this.#timer);
    this.#timerTurn = turn;
    const delayMs = Math.max(1, Math.ceil(turn * this.#turnMs - this.#clock.nowMs()));
    this.#timer = setTimeout(() => this.#onTimer(), delayMs);
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    const now = this.#turnAt(nowMs);
    // After a long halt of the process every slot is due once.
    const last = Math.min(now, this.#turn + slots - 1);
    for (let turn = this.#turn + 1; turn <= last; turn += 1) this.#wakeSlot(turn, nowMs);
    this.#turn = Math.max(this.#turn, now);
    const next = this.#nextTurn();
    if (next !== undefined) this.#arm(next);
  }

  #wakeSlot(turn: number, nowMs: number): void {
    const slot = this.#slots[turn % slots] ?? [];
    if (slot.length === 0) return;
    this.#slots[turn % slots] = [];
    this.#turn = turn;
    this.#sleepers -= slot.length;
    for (const sleeper of slot) {
      if (sleeper.wheelTurn !== turn) continue; // it was given an earlier time since, or needs none
      sleeper.wheelTurn = undefined;
      sleeper.wake(nowMs);
    }
  }

  #nextTurn(): number | undefined {
    if (this.#sleepers === 0) return undefined;
    for (let turn = this.#turn + 1; turn < this.#turn + slots; turn += 1) {
      if ((this.#slots[turn % slots]?.length ?? 0) > 0) return turn;
    }
    return undefined;
  }
}
