import type { Mac } from "../lib/mac.ts";
import type { DiscoveredMachine } from "../model/node.ts";
import { Allowance } from "./allowance.ts";
import type { Standing } from "./standing.ts";

/** A machine that is in no node's ports. */
export type Stranger = Standing & { machine: DiscoveredMachine };

export type StrangerLimits = {
  /** How many are remembered. */
  most: number;
  /** How many new ones are taken in: somebody who makes up addresses must not keep the head busy. */
  newcomers: { burst: number; perSecond: number };
};

/** As many racks as one head serves may show up at once; made-up addresses then need minutes to push a real machine out. */
const defaultLimits: StrangerLimits = { most: 10_000, newcomers: { burst: 10_000, perSecond: 50 } };

/** The strangers, bounded: of too many, the one that was silent for longest is forgotten. */
export class Strangers {
  readonly #limits: StrangerLimits;
  readonly #newcomers: Allowance;
  /** The longest silent first. */
  readonly #byMac = new Map<Mac, Stranger>();

  constructor(limits: StrangerLimits = defaultLimits) {
    this.#limits = limits;
    this.#newcomers = new Allowance(limits.newcomers);
  }

  get(mac: Mac): Stranger | undefined {
    return this.#byMac.get(mac);
  }

  values(): Iterable<Stranger> {
    return this.#byMac.values();
  }

  /** False when too many have come of late. */
  admits(nowMs: number): boolean {
    return this.#newcomers.take(nowMs);
  }

  /** Adds one, or notes that it was seen again. @returns those that were forgotten for it. */
  seen(stranger: Stranger): Mac[] {
    const { mac } = stranger.machine;
    this.#byMac.delete(mac);
    this.#byMac.set(mac, stranger);
    const forgotten: Mac[] = [];
    for (const oldest of this.#byMac.keys()) {
      if (this.#byMac.size <= this.#limits.most) break;
      this.#byMac.delete(oldest);
      forgotten.push(oldest);
    }
    return forgotten;
  }
}
