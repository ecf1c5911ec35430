import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { AppError } from "../../../server/lib/errors.ts";
import { silentLog } from "../../../server/lib/log.ts";
import type { NfsBackend } from "../../../server/nfs/backend.ts";
import type { Child, ChildHost } from "../../../server/nfs/child.ts";
import type { Answer } from "../../../server/nfs/probe.ts";
import { Supervisor, type SupervisorStatus } from "../../../server/nfs/supervisor.ts";

type FakeChild = Child & { die: (description: string) => void };

/** A server, its process and the time, all driven by the test. */
class Bench {
  nowMs = 1_000_000;
  answer: Answer = { ok: true };
  served = new Map<string, Answer>();
  children: FakeChild[] = [];
  log: string[] = [];
  found: ReturnType<ChildHost["find"]>;
  prepare: () => Promise<void> = async () => undefined;
  repair: () => Promise<void> = async () => undefined;
  #sleepers: { atMs: number; wake: () => void }[] = [];

  readonly supervisor = new Supervisor({
    backend: this.#backend(),
    paths: ["/images", "/shared"],
    children: {
      find: () => this.found,
      start: async () => {
        const child = this.child(false);
        this.children.push(child);
        this.log.push(`start ${child.pid}`);
        return child;
      },
      forget: () => void this.log.push("forget"),
    },
    probe: {
      alive: async () => this.answer,
      serves: async (path) => this.served.get(path) ?? { ok: true },
    },
    clock: { nowMs: () => this.nowMs },
    sleep: (ms, signal) =>
      new Promise((wake) => {
        if (signal.aborted) wake();
        signal.addEventListener("abort", () => wake());
        this.#sleepers.push({ atMs: this.nowMs + ms, wake });
      }),
    log: silentLog,
  });

  #backend(): NfsBackend {
    return {
      name: "ganesha",
      command: { file: "server", args: [] },
      digest: "new",
      logFile: "/var/log/server",
      prepare: () => this.prepare(),
      repair: async () => {
        this.log.push("repair");
        await this.repair();
      },
      release: async () => void this.log.push("release"),
    };
  }

  get status(): SupervisorStatus {
    return this.supervisor.status();
  }

  child(adopted: boolean): FakeChild {
    const pid = 100 + this.children.length;
    let die: (description: string) => void = () => undefined;
    const ended = new Promise<string>((resolve) => (die = resolve));
    const end = async (): Promise<void> => {
      this.log.push(`end ${pid}`);
      die("killed by SIGTERM");
    };
    return { pid, adopted, ended, end, die };
  }

  /** Lets everything happen that can happen without time going on. */
  async settle(): Promise<void> {
    for (let count = 0; count < 20; count += 1) await turn();
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await this.settle();
      const next = this.#sleepers.sort((left, right) => left.atMs - right.atMs)[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#sleepers.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.wake();
    }
    this.nowMs = endMs;
  }

  /** Starts, with time going on until the start is over. */
  async start(): Promise<void> {
    const started = this.supervisor.start();
    const over = started.then(
      () => true,
      () => true,
    );
    const later = async (): Promise<boolean> => {
      await this.advance(100);
      return false;
    };
    while (!(await Promise.race([over, later()]))) await this.settle();
    await started;
  }

  /** The last child dies, and everybody notices. */
  async kill(description = "exit status 1"): Promise<void> {
    this.children.at(-1)?.die(description);
    await this.settle();
  }
}

describe("supervisor", () => {
  it("runs a server that answers", async () => {
    const bench = new Bench();
    await bench.start();
    assert.deepEqual(bench.status, { state: "running", pid: 100, restarts: 0 });
  });

  it("waits for a server that takes its time to start", async () => {
    const bench = new Bench();
    bench.answer = { ok: false, message: "ECONNREFUSED" };
    const started = bench.supervisor.start();
    await bench.advance(5000);
    assert.equal(bench.status.state, "starting");
    bench.answer = { ok: true };
    await bench.advance(200);
    await started;
    assert.equal(bench.status.state, "running");
  });

  it("starts a dead server again after a moment", async () => {
    const bench = new Bench();
    await bench.start();
    await bench.kill("killed by SIGSEGV");
    assert.equal(bench.status.state, "backing-off");
    assert.equal(bench.status.pid, undefined);
    assert.match(bench.status.message ?? "", /died \(killed by SIGSEGV\); started again in 0\.25 s/);
    await bench.advance(250);
    assert.deepEqual(bench.status, {
      state: "running",
      pid: 101,
      restarts: 1,
      lastExit: { atMs: 1_000_000, description: "killed by SIGSEGV" },
    });
  });

  it("says after ten quick deaths that it has failed, goes on trying each minute, and recovers", async () => {
    const bench = new Bench();
    await bench.start();
    for (let death = 1; death < 10; death += 1) {
      await bench.kill();
      assert.equal(bench.status.state, "backing-off", `death ${death}`);
      await bench.advance(30_000);
    }
    await bench.kill();
    assert.equal(bench.status.state, "failed");
    assert.equal(bench.children.length, 10);
    assert.match(
      bench.status.message ?? "",
      /died 10 times in a row .*exit status 1.*\/var\/log\/server.*60 s/,
    );
    await bench.advance(59_000);
    assert.equal(bench.children.length, 10);
    await bench.advance(1000);
    assert.equal(bench.children.length, 11);
    assert.equal(bench.status.state, "running");
    assert.equal(bench.status.message, undefined);
  });

  it("begins to count anew after a steady run", async () => {
    const bench = new Bench();
    await bench.start();
    for (let death = 1; death <= 9; death += 1) {
      await bench.kill();
      await bench.advance(30_000);
    }
    await bench.advance(60_000);
    await bench.kill();
    assert.match(bench.status.message ?? "", /started again in 0\.25 s/);
  });

  it("ends a server that has stopped answering, and starts it again", async () => {
    const bench = new Bench();
    await bench.start();
    bench.answer = { ok: false, message: "no answer within 5 s" };
    await bench.advance(6000);
    assert.deepEqual(bench.log, ["start 100"]);
    await bench.advance(3000);
    assert.deepEqual(bench.log, ["start 100", "end 100"]);
    assert.match(bench.status.lastExit?.description ?? "", /does not answer any more: no answer within 5 s/);
    bench.answer = { ok: true };
    await bench.advance(500);
    assert.equal(bench.status.state, "running");
    assert.equal(bench.status.pid, 101);
  });

  it("bears two unanswered questions", async () => {
    const bench = new Bench();
    await bench.start();
    bench.answer = { ok: false, message: "slow" };
    await bench.advance(6000);
    bench.answer = { ok: true };
    await bench.advance(60_000);
    assert.deepEqual(bench.log, ["start 100"]);
  });

  it("ends a server that never answers after its start", async () => {
    const bench = new Bench();
    bench.answer = { ok: false, message: "ECONNREFUSED" };
    await bench.start();
    assert.deepEqual(bench.log, ["start 100", "end 100"]);
    assert.match(bench.status.lastExit?.description ?? "", /no answer 30 s after its start: ECONNREFUSED/);
  });

  it("refuses to start where the first preparation fails, and leaves nothing behind", async () => {
    const bench = new Bench();
    bench.prepare = async () => {
      throw new AppError("environment", "NFS port 2049 is taken by nginx (process 7)");
    };
    await assert.rejects(bench.start(), /taken by nginx/);
    assert.deepEqual(bench.log, ["forget", "release"]);
  });

  it("counts a later preparation that fails as a death", async () => {
    const bench = new Bench();
    await bench.start();
    bench.prepare = async () => {
      throw new AppError("environment", "NFS port 2049 is taken by nginx (process 7)");
    };
    await bench.kill();
    await bench.advance(250);
    assert.equal(bench.status.state, "backing-off");
    assert.match(bench.status.message ?? "", /taken by nginx/);
    bench.prepare = async () => undefined;
    await bench.advance(500);
    assert.equal(bench.status.state, "running");
  });

  it("stops the server in order", async () => {
    const bench = new Bench();
    await bench.start();
    await bench.supervisor.stop();
    assert.deepEqual(bench.log, ["start 100", "end 100", "forget", "release"]);
    assert.deepEqual(bench.status, { state: "stopped", restarts: 0 });
    await bench.advance(120_000);
    assert.equal(bench.children.length, 1);
  });

  it("stops while it waits for the next try, and while the server starts", async () => {
    const waiting = new Bench();
    await waiting.start();
    await waiting.kill();
    await waiting.supervisor.stop();
    await waiting.advance(60_000);
    assert.equal(waiting.children.length, 1);

    const starting = new Bench();
    starting.answer = { ok: false, message: "ECONNREFUSED" };
    const started = starting.supervisor.start();
    await starting.settle();
    await starting.supervisor.stop();
    await started;
    assert.deepEqual(starting.log, ["start 100", "end 100", "forget", "release"]);
  });
});

describe("supervisor after the death of a head", () => {
  it("takes over a healthy server with the same configuration", async () => {
    const bench = new Bench();
    const old = bench.child(true);
    bench.found = { child: old, digest: "new", backend: "ganesha" };
    await bench.start();
    assert.deepEqual(bench.status, { state: "running", pid: old.pid, restarts: 0 });
    assert.deepEqual(bench.log, []);
    old.die("it ended");
    await bench.advance(250);
    assert.deepEqual(bench.log, ["start 100"]);
    assert.equal(bench.status.restarts, 1);
  });

  it("starts anew when the configuration has changed", async () => {
    const bench = new Bench();
    bench.found = { child: bench.child(true), digest: "old", backend: "ganesha" };
    await bench.start();
    assert.deepEqual(bench.log, ["end 100", "forget", "start 100"]);
  });

  it("starts anew when the server does not answer", async () => {
    const bench = new Bench();
    bench.found = { child: bench.child(true), digest: "new", backend: "ganesha" };
    bench.answer = { ok: false, message: "no answer" };
    const started = bench.supervisor.start();
    await bench.advance(600);
    bench.answer = { ok: true };
    await bench.advance(200);
    await started;
    assert.deepEqual(bench.log, ["end 100", "forget", "start 100"]);
  });
});

describe("supervisor and exports", () => {
  it("has an export put back that is gone", async () => {
    const bench = new Bench();
    await bench.start();
    bench.served.set("/shared", { ok: false, message: "no such directory" });
    bench.repair = async () => bench.served.clear();
    await bench.advance(15_000);
    assert.deepEqual(bench.log, ["start 100", "repair"]);
    assert.equal(bench.status.message, undefined);
  });

  it("says so while one cannot be put back, and takes it back afterwards", async () => {
    const bench = new Bench();
    await bench.start();
    bench.served.set("/shared", { ok: false, message: "no such directory" });
    await bench.advance(15_000);
    assert.equal(bench.status.state, "running");
    assert.equal(bench.status.message, "/shared is not served: no such directory");
    await bench.advance(3000);
    assert.equal(bench.status.message, "/shared is not served: no such directory");
    bench.served.clear();
    await bench.advance(15_000);
    assert.equal(bench.status.message, undefined);
  });
});
