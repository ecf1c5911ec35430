import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { NfsBackend } from "./backend.ts";
import type { Child, ChildHost } from "./child.ts";
import type { Answer, Probe } from "./probe.ts";
import { decideRestart, steadyMs } from "./restart-policy.ts";

/** `failed`: it died ten times in a row and is now tried once a minute only. */
export type ServerState = "starting" | "running" | "backing-off" | "failed" | "stopped";

export type SupervisorStatus = {
  state: ServerState;
  pid?: number;
  /** Starts after the first one. */
  restarts: number;
  lastExit?: { atMs: number; description: string };
  /** What is wrong, and what to do about it. */
  message?: string;
};

/** Waiting, as an argument. Resolves early when the signal is aborted, never rejects. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export type SupervisorOptions = {
  backend: NfsBackend;
  /** Directories that must be served. */
  paths: readonly string[];
  children: ChildHost;
  probe: Probe;
  clock: Clock;
  sleep: Sleep;
  log: Log;
};

/** Between two questions to a server that answers, and to one that is just starting. */
const healthIntervalMs = 3000;
const startIntervalMs = 200;

/** A server that has not answered for this long after its start is started again. */
const startLimitMs = 30_000;

/** Unanswered questions in a row after which a running server counts as hanging. */
const missedLimit = 3;

/** Every so many answers it is also asked for its exports. */
const exportsEvery = 5;

/** Deaths remembered; more than the restart policy counts. */
const longestHistory = 20;

/** Keeps one NFS server alive. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  #child: Child | undefined;
  #loop: Promise<void> | undefined;
  #status: SupervisorStatus = { state: "stopped", restarts: 0 };
  #ranMs: number[] = [];
  #settled: (() => void) | undefined;
  readonly #stopCalled = new Promise<string>((resolve) => {
    this.#stopping.signal.addEventListener("abort", () => resolve("stopped"));
  });

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  status(): SupervisorStatus {
    return this.#status;
  }

  /**
   * Takes over the server of a head before, or starts one. Throws when it cannot even be started; resolves when it
   * answers, or has died once (it goes on being started again).
   */
  async start(): Promise<void> {
    try {
      if (!(await this.#adopt())) await this.#launch();
    } catch (error) {
      this.#options.children.forget();
      await this.#options.backend.release();
      throw error;
    }
    const settled = new Promise<void>((resolve) => (this.#settled = resolve));
    this.#loop = this.#run();
    await settled;
  }

  /** Ends the server and everything that belongs to it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#child?.end();
    this.#child = undefined;
    this.#options.children.forget();
    await this.#options.backend.release();
    this.#status = { state: "stopped", restarts: this.#status.restarts };
    this.#settle();
  }

  async #adopt(): Promise<boolean> {
    const { backend, children, log } = this.#options;
    const found = children.find();
    if (found === undefined) return false;
    const { pid } = found.child;
    const same = found.backend === backend.name && found.digest === backend.digest;
    if (same && (await this.#answersSoon(found.child))) {
      log.info({ pid, backend: backend.name }, "the NFS server of the head before goes on");
      this.#child = found.child;
      this.#status = { state: "running", pid, restarts: 0 };
      return true;
    }
    log.warn({ pid }, same ? "the NFS server does not answer" : "the NFS server's configuration has changed");
    await found.child.end();
    children.forget();
    return false;
  }

  /** A server that hangs may only be busy: it gets the same number of chances as a running one. */
  async #answersSoon(child: Child): Promise<boolean> {
    const ended = child.ended.then(() => false);
    for (let attempt = 0; attempt < missedLimit; attempt += 1) {
      if ((await this.#options.probe.alive()).ok) return true;
      const over = await Promise.race([ended, this.#sleep(startIntervalMs)]);
      if (over === false) return false;
    }
    return false;
  }

  async #launch(): Promise<void> {
    const { backend, children, log } = this.#options;
    await backend.prepare();
    this.#child = await children.start(backend.command, backend.name, backend.digest);
    const { pid } = this.#child;
    this.#status = { ...this.#status, state: "starting", pid };
    log.info({ pid, backend: backend.name }, "NFS server started");
  }

  async #run(): Promise<void> {
    while (!this.#stopped()) {
      const startedAtMs = this.#options.clock.nowMs();
      const description = await this.#lifeOf();
      if (this.#stopped()) return;
      await this.#backOff(description, this.#options.clock.nowMs() - startedAtMs);
      if (this.#stopped()) return;
      this.#status = { ...this.#status, restarts: this.#status.restarts + 1 };
    }
  }

  /** From the start to the death of one child; in words, why it died. */
  async #lifeOf(): Promise<string> {
    try {
      if (this.#child === undefined) await this.#launch();
    } catch (error) {
      return messageOf(error);
    }
    const child = this.#child;
    if (child === undefined) return "it did not start";
    const description = await this.#watch(child);
    if (!this.#stopped()) this.#child = undefined;
    return description;
  }

  async #watch(child: Child): Promise<string> {
    const { clock, probe } = this.#options;
    const startedAtMs = clock.nowMs();
    const ended = Promise.race([child.ended, this.#stopCalled]).then((description) => ({ description }));
    let missed = 0;
    let answers = 0;
    for (;;) {
      const answer = await Promise.race([ended, probe.alive()]);
      if ("description" in answer) return answer.description;
      missed = answer.ok ? 0 : missed + 1;
      if (answer.ok) await this.#answered(child, answers++);
      const over = this.#patienceOver(answer, missed, clock.nowMs() - startedAtMs);
      if (over !== undefined) {
        this.#options.log.warn({ pid: child.pid, reason: over }, "NFS server is ended because it hangs");
        await child.end();
        return over;
      }
      const interval = this.#status.state === "starting" ? startIntervalMs : healthIntervalMs;
      const early = await Promise.race([ended, this.#sleep(interval)]);
      if (early !== undefined) return early.description;
    }
  }

  #patienceOver(answer: Answer, missed: number, ranMs: number): string | undefined {
    if (answer.ok) return undefined;
    if (this.#status.state === "starting") {
      return ranMs < startLimitMs
        ? undefined
        : `no answer ${startLimitMs / 1000} s after its start: ${answer.message}`;
    }
    return missed < missedLimit ? undefined : `it does not answer any more: ${answer.message}`;
  }

  async #answered(child: Child, answers: number): Promise<void> {
    if (this.#status.state !== "running") {
      const { message: _over, ...rest } = this.#status;
      this.#status = { ...rest, state: "running", pid: child.pid };
    }
    this.#settle();
    if (answers % exportsEvery === 0) await this.#checkExports();
  }

  async #checkExports(): Promise<void> {
    let problem = await this.#firstNotServed();
    if (problem !== undefined && !this.#stopped()) {
      this.#options.log.warn({ problem }, "the NFS server does not serve all that it should");
      try {
        await this.#options.backend.repair();
        problem = await this.#firstNotServed();
      } catch (error) {
        problem = `${problem}, and it could not be put back: ${messageOf(error)}`;
      }
    }
    const { message: _before, ...rest } = this.#status;
    this.#status = problem === undefined ? rest : { ...rest, message: problem };
  }

  async #firstNotServed(): Promise<string | undefined> {
    for (const path of this.#options.paths) {
      const answer = await this.#options.probe.serves(path);
      if (!answer.ok) return `${path} is not served: ${answer.message}`;
    }
    return undefined;
  }

  async #backOff(description: string, ranMs: number): Promise<void> {
    const { backend, clock, log } = this.#options;
    this.#ranMs = [...this.#ranMs, ranMs].slice(-longestHistory);
    const decision = decideRestart(this.#ranMs);
    const { pid: _gone, ...rest } = this.#status;
    const wait = `started again in ${decision.afterMs / 1000} s`;
    const failed = decision.kind === "give-up";
    this.#status = {
      ...rest,
      state: failed ? "failed" : "backing-off",
      lastExit: { atMs: clock.nowMs(), description },
      message: failed
        ? `the NFS server died ${decision.deaths} times in a row within ${steadyMs / 1000} s of its start ` +
          `(last: ${description}); look into ${backend.logFile}; ${wait}`
        : `the NFS server died (${description}); ${wait}`,
    };
    const fields = { ranMs, deaths: decision.deaths, afterMs: decision.afterMs, logFile: backend.logFile };
    if (failed) log.error(fields, "NFS server keeps dying");
    else log.warn({ ...fields, reason: description }, "NFS server died");
    this.#settle();
    await this.#sleep(decision.afterMs);
  }

  #settle(): void {
    this.#settled?.();
    this.#settled = undefined;
  }

  #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  #sleep(ms: number): Promise<void> {
    return this.#options.sleep(ms, this.#stopping.signal);
  }
}
