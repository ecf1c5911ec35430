import type { Ip } from "../lib/ipv6.ts";

export type AdmissionLimits = {
  /** Transfers at a time. */
  transfers: number;
  /** Transfers at a time for one address. */
  transfersPerClient: number;
};

/** Who may begin a transfer now: so many in all, so many for each client. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #perClient = new Map<Ip, number>();
  #total = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get total(): number {
    return this.#total;
  }

  /** True: entered, to be followed by exactly one `leave`. */
  enter(peer: Ip): boolean {
    if (!this.mayEnter(peer)) return false;
    this.#total += 1;
    this.#perClient.set(peer, (this.#perClient.get(peer) ?? 0) + 1);
    return true;
  }

  mayEnter(peer: Ip): boolean {
    const ofPeer = this.#perClient.get(peer) ?? 0;
    return this.#total < this.#limits.transfers && ofPeer < this.#limits.transfersPerClient;
  }

  leave(peer: Ip): void {
    const ofPeer = (this.#perClient.get(peer) ?? 0) - 1;
    if (ofPeer > 0) this.#perClient.set(peer, ofPeer);
    else this.#perClient.delete(peer);
    this.#total -= 1;
  }
}
