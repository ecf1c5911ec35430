import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa, type ResultPromise } from "execa";
import { createRack, type Rack } from "../support/netns.ts";

/** The addresses of every bench: a /13 has room for the largest inventory beside the pool. */
export const network = {
  device: "bench0",
  subnet: "10.64.0.0/13",
  netmask: "255.248.0.0",
  head: "10.64.0.1",
  load: "10.64.0.2",
  /** Addresses of the load's own clients, all of them local to it; few enough for the kernel's 1,024 neighbours. */
  loads: "10.64.1.0/24",
  firstLoad: "10.64.1.1",
  /** 60,000 addresses. */
  pool: { from: "10.65.0.1", to: "10.65.234.96" },
  firstNode: "10.66.0.1",
} as const;

/** Where rivals are kept between runs. */
export function cacheDirectory(environment: NodeJS.ProcessEnv): string {
  const base = environment["XDG_CACHE_HOME"];
  return base === undefined || base === "" ? "/var/cache/provision-bench" : join(base, "provision-bench");
}

/** A place to measure in: a scratch directory on a real disk, two namespaces, one cable. */
export type Workplace = {
  directory: string;
  /** A new directory below it. */
  scratch: (name: string) => string;
  rack: Rack;
  /** Says what goes on, on stderr. */
  say: (text: string) => void;
  /** Starts a server on the first core, in its namespace. */
  serve: (argv: readonly string[], options?: { logFile?: string }) => RunningServer;
  /** Runs a load to its end on the second core, in the other namespace; its output. @throws when the server ends */
  load: (argv: readonly string[], server: RunningServer, statuses?: readonly number[]) => Promise<string>;
};

export type RunningServer = {
  pid: number;
  /** Seconds of CPU that everything in the server's namespace has used so far. */
  cpuSeconds: () => Promise<number>;
  /** Waits for a UDP or TCP port to be bound; rejects when the server ends before. */
  bound: (protocol: "udp" | "tcp", port: number) => Promise<void>;
  ended: () => boolean;
  /** Aborted when the server ends by itself. */
  alive: AbortSignal;
  /** That it has ended, and what it said last. */
  lastWords: () => string;
  stop: () => Promise<void>;
};

/**
 * Server and load have a core each, before other programs of the machine: what else runs disturbs less. A session of
 * its own, because where the kernel groups processes by session (sched_autogroup) nice(1) alone means nothing to others,
 * and even idle ones (SCHED_IDLE) of another session had a third of the core.
 */
function onCore(core: 0 | 1): string[] {
  const first = '[ ! -w /proc/self/autogroup ] || echo -20 >/proc/self/autogroup; exec "$@"';
  return ["setsid", "sh", "-c", first, "sh", "nice", "-n", "-5", "taskset", "-c", String(core)];
}

/** The work directories of benches that were killed. */
export function removeOldWork(cache: string): void {
  for (const name of readdirSync(cache)) {
    const pid = /^work-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !readdirSync("/proc").includes(pid))
      rmSync(join(cache, name), { recursive: true, force: true });
  }
}

export async function openWorkplace(cache: string, say: (text: string) => void): Promise<Workplace> {
  mkdirSync(cache, { recursive: true });
  removeOldWork(cache);
  const directory = mkdtempSync(join(cache, `work-${process.pid}-`));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const rack = await createRack({
    networks: [{ name: network.device, address: `${network.head}/13`, cable: true }],
    clients: [{ name: "load", address: `${network.load}/13` }],
  }).finally(() => {
    // After the rack has told what it does at the exit: until then its servers write here.
    process.once("exit", remove);
  });
  await rack.exec(rack.client("load"), ["ip", "route", "add", "local", network.loads, "dev", "lo"]);
  return {
    directory,
    scratch: (name) => mkdtempSync(join(directory, `${name}-`)),
    rack,
    say,
    serve: (argv, options) => serve(rack, argv, options?.logFile),
    load: async (argv, server, statuses = []) => {
      const load = [...onCore(1), ...argv];
      const options = { timeout: 300_000, cancelSignal: server.alive };
      const ran = await rack.exec(rack.client("load"), load, { ...options, reject: false });
      // Its own words are worth more than those of the load that found nobody.
      if (server.ended()) throw new Error(server.lastWords());
      if (![0, ...statuses].includes(ran.exitCode ?? -1)) throw new Error(ran.stderr);
      return ran.stdout;
    },
  };
}

function serve(rack: Rack, argv: readonly string[], logFile: string | undefined): RunningServer {
  const output = logFile === undefined ? ("ignore" as const) : { file: logFile, append: true };
  const child: ResultPromise = rack.spawn(rack.head, [...onCore(0), ...argv], {
    stdin: "ignore",
    stdout: output,
    stderr: output,
  });
  let ended = false;
  const alive = new AbortController();
  alive.signal.addEventListener("abort", () => (ended = true));
  void child.then(() => alive.abort());
  const pid = child.pid ?? 0;
  const lastWords = (): string => `has ended by itself${logFile === undefined ? "" : `: ${tail(logFile)}`}`;
  return {
    pid,
    ended: () => ended,
    alive: alive.signal,
    lastWords,
    cpuSeconds: async () => await cpuSecondsIn(rack.head.namespace),
    bound: async (protocol, port) => {
      const deadline = Date.now() + 60_000;
      while (!isBound(pid, protocol, port)) {
        if (ended)
          throw new Error(
            `${argv[0]} has ended by itself${logFile === undefined ? "" : `: ${tail(logFile)}`}`,
          );
        if (Date.now() > deadline) throw new Error(`${argv[0]} does not listen on ${protocol} port ${port}`);
        await pause(20);
      }
    },
    stop: async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await child;
      clearTimeout(timer);
      await endAllIn(rack.head.namespace);
    },
  };
}

/** The last line that tells of a fault, or the last at all: below a fault there may be a stack of calls. */
function tail(file: string): string {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return (
    lines.findLast((line) => /assert|error|fatal|fail|cannot/i.test(line)) ??
    lines.at(-1) ??
    ""
  ).trim();
}

/** A port in /proc/PID/net/{udp,tcp}, which shows the namespace of the process. */
function isBound(pid: number, protocol: string, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
  try {
    const table = readFileSync(`/proc/${pid}/net/${protocol}`, "latin1");
    return table.split("\n").some((line) => line.trim().split(/\s+/)[1]?.endsWith(wanted.trim()) === true);
  } catch {
    return false; // not executed yet, or ended
  }
}

async function processesIn(namespace: string): Promise<number[]> {
  const { stdout } = await execa("ip", ["netns", "pids", namespace], { reject: false });
  return stdout
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** A server may leave children of its own (the NFS server outlives a head that is killed). */
async function endAllIn(namespace: string): Promise<void> {
  for (;;) {
    const pids = await processesIn(namespace);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it has ended already
      }
    }
    await pause(20);
  }
}

async function cpuSecondsIn(namespace: string): Promise<number> {
  const ticks = (await processesIn(namespace)).map((pid) => {
    try {
      return cpuTicksOf(readFileSync(`/proc/${pid}/stat`, "latin1"));
    } catch {
      return 0; // it has just ended; its parent has its time
    }
  });
  return ticks.reduce((sum, each) => sum + each, 0) / 100; // USER_HZ is 100 wherever Linux runs Debian
}

/** User and system time of a process and of the children it has waited for, of proc_pid_stat(5), in ticks. */
export function cpuTicksOf(stat: string): number {
  // After the name in parentheses, which may contain anything: state is field 3; utime, stime, cutime, cstime 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0);
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
