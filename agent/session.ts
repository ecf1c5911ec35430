import { type AgentConfig, type PhaseReport, reportIntervalMs } from "./contract.ts";
import { type Credential, credentialRequest, openCredential, saveCredential } from "./credential.ts";
import type { HeadClient } from "./head-client.ts";
import { type Backoff, refusedBackoff, retryDelayMs, unansweredBackoff } from "./retry.ts";
import { type Machine, Sampler } from "./sampler.ts";

export type SessionParts = {
  config: AgentConfig;
  credentialFile: string;
  head: HeadClient;
  machine: Machine;
  clock: SessionClock;
  /** One plain line per event, for the journal. */
  say: (line: string) => void;
};

/** Time and chance, as arguments, so that tests decide them. */
export type SessionClock = {
  nowMs: () => number;
  /** Seconds since the node's kernel started. */
  uptimeSeconds: () => number;
  /** Rejects when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** 0 to 1. */
  chance: () => number;
};

/**
 * An agent's conversation with the head, from the boot token to the last report:
 *
 *     made ──POST /credential──▶ exchanged ──POST /phase up──▶ announced ──POST /report…
 *       ▲                                                          │ 403: not this boot's credential (any more)
 *       └──────────────────────────────────────────────────────────┘
 *
 * It never gives up and never throws but for the abort of its signal: a head may be down for minutes, or be put back
 * from a backup that knows nothing of this boot.
 */
export class Session {
  readonly #parts: SessionParts;
  readonly #signal: AbortSignal;
  readonly #sampler: Sampler;
  #credential: Credential;
  /** Refusals, of whatever request, since the last report that was taken. */
  #refusals = 0;
  #silentSinceMs: number | undefined;
  /** Whether the last answer was the first of its connection. */
  #newConnection = true;

  constructor(parts: SessionParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    this.#sampler = new Sampler(parts.machine);
    this.#credential = openCredential(parts.credentialFile, parts.config.token);
    this.#save();
  }

  /** What the node can prove itself with now. */
  get #secret(): string {
    return this.#credential.stage === "made" ? this.#parts.config.token : this.#credential.secret;
  }

  /**
   * The last word, when the machine goes down; once `run` has ended. An agent that comes after it in the same boot, as
   * after a soft reboot, says `up` again.
   */
  async sayStopping(limitMs: number): Promise<void> {
    const { head, clock, say } = this.#parts;
    const body: PhaseReport = { phase: "stopping", uptimeSeconds: clock.uptimeSeconds() };
    try {
      const { status } = await head.post("/phase", this.#secret, body, { limitMs });
      say(`told the head that this node stops (${status})`);
    } catch (error) {
      say(`could not tell the head that this node stops: ${textOf(error)}`);
    }
    if (this.#credential.stage === "announced") this.#advance("exchanged");
  }

  /** Only ever ends by throwing, when the signal aborts. */
  async run(): Promise<never> {
    for (;;) {
      const step = this.#credential.stage;
      if (!(await this.#step(step))) await this.#refused(step);
    }
  }

  async #step(stage: Credential["stage"]): Promise<boolean> {
    switch (stage) {
      case "made": {
        const accepted = await this.#insist("/credential", () => credentialRequest(this.#credential));
        if (accepted) this.#advance("exchanged", "the head has taken this node's credential");
        return accepted;
      }
      case "exchanged": {
        const accepted = await this.#insist("/phase", () => this.#phaseUp());
        if (accepted) this.#advance("announced", "the head knows that this node is up");
        return accepted;
      }
      case "announced": {
        return await this.#report();
      }
    }
  }

  #phaseUp(): PhaseReport {
    return { phase: "up", uptimeSeconds: this.#parts.clock.uptimeSeconds() };
  }

  async #report(): Promise<boolean> {
    const { clock } = this.#parts;
    const startedMs = clock.nowMs();
    const accepted = await this.#insist("/report", () =>
      this.#sampler.next(clock.nowMs(), clock.uptimeSeconds()),
    );
    if (accepted) {
      this.#refusals = 0;
      this.#sampler.accepted({ byNewConnection: this.#newConnection });
      await this.#sleep(Math.max(0, startedMs + reportIntervalMs - clock.nowMs()));
    }
    return accepted;
  }

  /** Posts until the head answers. True: it accepted; false: it refused, and would again. */
  async #insist(path: string, body: () => object): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#post(path, body());
      if (outcome === "accepted" || outcome === "refused") {
        this.#answered();
        return outcome === "accepted";
      }
      this.#unanswered(path, outcome.failure);
      await this.#backOff(unansweredBackoff, attempt);
    }
  }

  async #post(path: string, body: object): Promise<"accepted" | "refused" | { failure: string }> {
    const { head } = this.#parts;
    try {
      const { status, newConnection } = await head.post(path, this.#secret, body, { signal: this.#signal });
      this.#newConnection = newConnection;
      if (status >= 200 && status < 300) return "accepted";
      // 404: the node is not in the inventory any more. It may be added again.
      if (status === 401 || status === 403 || status === 404) return "refused";
      return { failure: `HTTP status ${status}` };
    } catch (error) {
      this.#signal.throwIfAborted();
      return { failure: textOf(error) };
    }
  }

  async #refused(stage: Credential["stage"]): Promise<void> {
    this.#refusals += 1;
    if (this.#refusals === 1) this.#parts.say(refusalText[stage]);
    if (stage !== "made") this.#advance("made");
    this.#sampler.notTaken();
    await this.#backOff(refusedBackoff, this.#refusals);
  }

  #advance(stage: Credential["stage"], line?: string): void {
    this.#credential = { ...this.#credential, stage };
    this.#save();
    if (line !== undefined) this.#parts.say(line);
  }

  /** An agent that cannot write to /run works all the same, as long as it lives. */
  #save(): void {
    const { credentialFile, config, say } = this.#parts;
    try {
      saveCredential(credentialFile, config.token, this.#credential);
    } catch (error) {
      say(`cannot keep the credential in ${credentialFile}: ${textOf(error)}`);
    }
  }

  #unanswered(path: string, failure: string): void {
    this.#sampler.notTaken();
    if (this.#silentSinceMs !== undefined) return; // said so already
    this.#silentSinceMs = this.#parts.clock.nowMs();
    this.#parts.say(
      `no good answer from the head to POST ${this.#parts.config.url}${path} (${failure}); trying on`,
    );
  }

  #answered(): void {
    if (this.#silentSinceMs === undefined) return;
    const seconds = Math.round((this.#parts.clock.nowMs() - this.#silentSinceMs) / 1000);
    this.#silentSinceMs = undefined;
    this.#parts.say(`the head answers again, after ${seconds} s`);
  }

  async #backOff(backoff: Backoff, attempt: number): Promise<void> {
    await this.#sleep(retryDelayMs(backoff, attempt, this.#parts.clock.chance()));
  }

  async #sleep(ms: number): Promise<void> {
    await this.#parts.clock.sleep(ms, this.#signal);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

const refusalText: Readonly<Record<Credential["stage"], string>> = {
  made:
    "the head refuses this boot's token: it is spent, unknown or the node is not in its inventory. " +
    "Reboot the node to get a new one; until then it is asked again from time to time",
  exchanged: "the head refuses this node's credential; it will be exchanged anew",
  announced:
    "the head refuses this node's reports: the credential is not this boot's to it; it will be exchanged anew",
};
