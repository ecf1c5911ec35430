import { type Ipv4, ipv4FromNumber, ipv4ToNumber } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { AddressProbe, ProbeAnswer, ProbeMeans } from "../net/address-probe.ts";

/** How long an answer is waited for. On a wire it comes within a millisecond; a busy machine may need some more. */
const answerWithinMs = 150;
const lookEveryMs = 10;
/** More are not asked for at one time. */
const maxInFlight = 32;
/** With more exchanges than this in a second nobody is made to wait for a probe: a rack that starts has precedence. */
const busyPerSecond = 200;

/** What is known of an address that was asked for: nobody answered, or this machine (by ARP) or somebody did. */
export type Verdict = { kind: "free" } | { kind: "taken"; mac?: Mac };

type Question = { untilMs: number; done: (verdict: Verdict) => void };

/**
 * Looks whether an address of the pool is in use before it is offered (RFC 2131 sections 2.2 and 3.1): somebody may have
 * typed it in by hand. Bounded in number and in time, and left out when the server is busy.
 */
export class ConflictCheck {
  readonly #probe: AddressProbe;
  readonly #nowMs: () => number;
  readonly #asked = new Map<Ipv4, Question>();
  #timer: NodeJS.Timeout | undefined;
  #second = 0;
  #thisSecond = 0;
  #lastSecond = 0;

  constructor(probe: AddressProbe, nowMs: () => number) {
    this.#probe = probe;
    this.#nowMs = nowMs;
  }

  /** To be told of every exchange that begins. */
  count(): void {
    const second = Math.floor(this.#nowMs() / 1000);
    if (second !== this.#second) {
      this.#lastSecond = second === this.#second + 1 ? this.#thisSecond : 0;
      this.#thisSecond = 0;
      this.#second = second;
    }
    this.#thisSecond += 1;
  }

  /** Another question may be asked now. */
  get isReady(): boolean {
    return this.#asked.size < maxInFlight && Math.max(this.#thisSecond, this.#lastSecond) <= busyPerSecond;
  }

  isAsking(ip: Ipv4): boolean {
    return this.#asked.has(ip);
  }

  /** Tells `done` once, a moment later; never after `stop`. */
  ask(ip: Ipv4, by: ProbeMeans, done: (verdict: Verdict) => void): void {
    this.#asked.set(ip, { untilMs: this.#nowMs() + answerWithinMs, done });
    this.#probe.ask(ipv4ToNumber(ip), by);
    this.#timer ??= setInterval(() => this.#look(), lookEveryMs);
  }

  stop(): void {
    this.#rest();
    this.#asked.clear();
    this.#probe.close();
  }

  #look(): void {
    for (const answer of this.#probe.answers()) this.#taken(answer);
    const nowMs = this.#nowMs();
    for (const [ip, { untilMs, done }] of this.#asked) {
      if (untilMs > nowMs) continue;
      this.#asked.delete(ip);
      done({ kind: "free" });
    }
    if (this.#asked.size === 0) this.#rest();
  }

  #taken({ address, mac }: ProbeAnswer): void {
    const ip = ipv4FromNumber(address);
    const question = this.#asked.get(ip);
    if (question === undefined) return;
    this.#asked.delete(ip);
    question.done({ kind: "taken", ...(mac === undefined ? {} : { mac }) });
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
