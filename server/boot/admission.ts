/** Times in milliseconds. */
export type AdmissionLimits = {
  /** Machines that fetch kernel and initrd at a time. */
  machines: number;
  /** A turn ends when its machine has taken nothing for so long: it was switched off. */
  progressMs: number;
  /** A turn ends after so long whatever happens: a machine on a bad cable must not keep the others out. */
  turnMs: number;
  /** A machine in line that has not asked for so long has lost its place. */
  placeMs: number;
  /** Scripts that one turn is good for while others wait: a machine that starts over again and again goes to the end. */
  scripts: number;
};

export const defaultTurnLimits: Omit<AdmissionLimits, "machines"> = {
  progressMs: 60_000,
  turnMs: 600_000,
  placeMs: 30_000,
  scripts: 3,
};

/** `before`: machines that come first; `joined`: it was not in line until now. */
export type Turn = { kind: "go" } | { kind: "wait"; before: number; joined: boolean };

/** `initrdOpen`: it has begun to take its initrd; `over`: its turn ends with that. */
type Loading = {
  sinceMs: number;
  progressMs: number;
  scripts: number;
  initrdOpen?: boolean;
  over?: boolean;
};
type Waiting = { askedMs: number; before: number };

/** How often places are counted and those that are gone are looked for, at most. */
const lookMs = 250;

/**
 * Who may load now, when a whole rack powers on: so many machines at a time, the others in the order in which they first
 * asked. A machine is a number of the caller's (its node). A place is kept by asking again and again, so a turn that is free is
 * taken by the first in line when it next asks; it waits for nobody longer than `placeMs`. What is kept is bounded by the
 * inventory: one entry for each machine.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #loading = new Map<number, Loading>();
  /** In the order of first asking. */
  readonly #line = new Map<number, Waiting>();
  #lookedMs = -Infinity;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** A machine asks for its boot script. */
  ask(machine: number, nowMs: number): Turn {
    this.#look(nowMs);
    const loading = this.#loading.get(machine);
    if (loading !== undefined) {
      Object.assign(loading, { scripts: loading.scripts + 1, initrdOpen: false, over: false });
      if (loading.scripts <= this.#limits.scripts || this.#line.size === 0) return { kind: "go" };
      this.#loading.delete(machine);
    }
    if (this.#mayLoad(machine, nowMs)) {
      this.#line.delete(machine);
      this.#loading.set(machine, { sinceMs: nowMs, progressMs: nowMs, scripts: 1 });
      return { kind: "go" };
    }
    const waiting = this.#line.get(machine);
    if (waiting === undefined) {
      const before = this.#line.size;
      this.#line.set(machine, { askedMs: nowMs, before });
      return { kind: "wait", before, joined: true };
    }
    waiting.askedMs = nowMs;
    return { kind: "wait", before: waiting.before, joined: false };
  }

  /** It has taken a piece of a file. */
  progress(machine: number, nowMs: number): void {
    const loading = this.#loading.get(machine);
    if (loading !== undefined) loading.progressMs = nowMs;
  }

  /** It begins to take its initrd, or has all of it. */
  initrd(machine: number, isWhole: boolean): void {
    const loading = this.#loading.get(machine);
    if (loading === undefined) return;
    loading.initrdOpen = !isWhole;
    if (isWhole && loading.over === true) this.#loading.delete(machine);
  }

  /** It has all that it needs from here but for an initrd that is under way: GRUB takes both at once, and the small one ends first. */
  done(machine: number): void {
    const loading = this.#loading.get(machine);
    if (loading?.initrdOpen === true) loading.over = true;
    else this.#loading.delete(machine);
  }

  /** Machines that come before this one; undefined when it is not in line. */
  placeOf(machine: number, nowMs: number): number | undefined {
    this.#look(nowMs);
    return this.#line.get(machine)?.before;
  }

  counts(nowMs: number): { loading: number; waiting: number } {
    this.#look(nowMs);
    return { loading: this.#loading.size, waiting: this.#line.size };
  }

  /** True when a turn is free for this machine: there are more of them than machines before it. */
  #mayLoad(machine: number, nowMs: number): boolean {
    let free = this.#limits.machines - this.#loading.size;
    for (const [other, { askedMs }] of this.#line) {
      if (free <= 0 || other === machine) break;
      if (nowMs - askedMs > this.#limits.placeMs) this.#line.delete(other);
      else free -= 1;
    }
    return free > 0;
  }

  #look(nowMs: number): void {
    if (nowMs - this.#lookedMs < lookMs) return;
    this.#lookedMs = nowMs;
    const { progressMs, turnMs, placeMs } = this.#limits;
    for (const [machine, turn] of this.#loading) {
      if (nowMs - turn.progressMs > progressMs || nowMs - turn.sinceMs > turnMs)
        this.#loading.delete(machine);
    }
    let before = 0;
    for (const [machine, waiting] of this.#line) {
      if (nowMs - waiting.askedMs > placeMs) this.#line.delete(machine);
      else waiting.before = before++;
    }
  }
}
