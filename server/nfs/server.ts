import { chmodSync, mkdirSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import type { Config } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError, messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { BackendName, NfsBackend, Run } from "./backend.ts";
import { type ChildHost, createChildHost } from "./child.ts";
import { chooseBackend } from "./choice.ts";
import { type ExportConfig, type NfsExports, exportsOf } from "./exports.ts";
import { ganeshaBackend } from "./ganesha.ts";
import { kernelBackend } from "./kernel.ts";
import { type Answer, type Probe, createProbe } from "./probe.ts";
import { findServers, withSystemDirectories } from "./servers-found.ts";
import { type Sleep, Supervisor, type SupervisorStatus } from "./supervisor.ts";

export type NfsStatus = SupervisorStatus & {
  /** Absent before the start has chosen one. */
  backend?: BackendName;
  exports: readonly { path: string; access: "ro" | "rw" }[];
};

export type NfsServer = {
  exports: NfsExports;
  /**
   * Takes over the server that a head before has left running, or starts one. Throws where there is none to start, or
   * its port is taken; a server that dies later is started again for as long as the head lives.
   */
  start: () => Promise<void>;
  /** Ends the server, too: nodes wait for their roots until it is back. */
  stop: () => Promise<void>;
  status: () => NfsStatus;
  /** Asks the server itself for each export. */
  checkExports: () => Promise<readonly ({ path: string } & Answer)[]>;
};

export type NfsServerOptions = {
  config: ExportConfig & Pick<Config, "nfs">;
  log: Log;
  clock: Clock;
  /** PATH, where the servers' programs are looked for. */
  searchPath: string;
};

/** The NFS server as one part of the head. Throws when the configured directories are not fit to be exported. */
export function createNfsServer(options: NfsServerOptions): NfsServer {
  const { config } = options;
  const exports = exportsOf(config);
  const searchPath = withSystemDirectories(options.searchPath);
  const probe = createProbe(exports);
  let running: { supervisor: Supervisor; backend: BackendName } | undefined;
  return {
    exports,
    start: async () => {
      const { backend } = config.nfs;
      if (backend === "none") return;
      prepareDirectories(exports);
      running = await makeSupervisor(backend, { ...options, searchPath }, exports, probe);
      await running.supervisor.start();
    },
    stop: async () => {
      await running?.supervisor.stop();
    },
    status: () => ({
      ...(running === undefined
        ? notStarted(config.nfs.backend)
        : { ...running.supervisor.status(), backend: running.backend }),
      exports: [exports.images, exports.shared].map(({ path, access }) => ({ path, access })),
    }),
    checkExports: () =>
      Promise.all(
        [exports.images, exports.shared].map(async ({ path }) => ({ path, ...(await probe.serves(path)) })),
      ),
  };
}

function notStarted(wanted: Config["nfs"]["backend"]): SupervisorStatus {
  return wanted === "none"
    ? { state: "running", restarts: 0, message: "not run by the head, as nfs.backend says" }
    : { state: "stopped", restarts: 0 };
}

async function makeSupervisor(
  wanted: "auto" | BackendName,
  options: NfsServerOptions,
  exports: NfsExports,
  probe: Probe,
): Promise<{ supervisor: Supervisor; backend: BackendName }> {
  const { config, log, clock, searchPath } = options;
  const run = runIn(searchPath);
  const directory = path.join(config.stateDirectory, "nfs");
  const found = await findServers(searchPath, run);
  const name = chooseBackend(wanted, found);
  const backends: Record<BackendName, NfsBackend> = {
    ganesha: ganeshaBackend({ program: "ganesha.nfsd", ...found.ganesha, exports, directory }),
    kernel: kernelBackend({ exports, directory, run }),
  };
  const backend = backends[name];
  const children = createChildHost({
    record: path.join(directory, "child.json"),
    log: backend.logFile,
    searchPath,
  });
  await endOther(children, backends, name);
  const paths = [exports.images.path, exports.shared.path];
  return {
    supervisor: new Supervisor({ backend, paths, children, probe, clock, sleep, log }),
    backend: name,
  };
}

/** The configuration may have changed from one server to the other while no head ran. */
async function endOther(
  children: ChildHost,
  backends: Record<BackendName, NfsBackend>,
  wanted: BackendName,
): Promise<void> {
  const found = children.find();
  if (found === undefined || found.backend === wanted) return;
  await found.child.end();
  await backends[found.backend].release();
  children.forget();
}

/** Makes what is missing. What is there keeps its owner and mode: they are the administrator's. */
function prepareDirectories(exports: NfsExports): void {
  for (const [directory, mode] of [
    [exports.images.path, 0o755],
    // As /tmp: every user of every node may write, and delete only what is his.
    [exports.shared.path, 0o1777],
  ] as const) {
    if (statSync(directory, { throwIfNoEntry: false }) === undefined) makeDirectory(directory, mode);
    const real = realpathSync(directory);
    if (real !== directory) {
      throw new AppError("environment", `${directory} is reached through a symbolic link`, {
        hint: `write ${real} into the configuration: NFS clients see real paths`,
      });
    }
  }
}

function makeDirectory(directory: string, mode: number): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    chmodSync(directory, mode);
  } catch (error) {
    throw new AppError("environment", `cannot make ${directory}: ${messageOf(error)}`, { cause: error });
  }
}

/** Longer than any of these commands takes on a healthy machine. */
const commandTimeoutMs = 30_000;

function runIn(searchPath: string): Run {
  return async ({ file, args }) => {
    const result = await execa(file, args, {
      all: true,
      reject: false,
      stdin: "ignore",
      timeout: commandTimeoutMs,
      env: { PATH: searchPath },
    });
    return {
      exitCode: result.exitCode ?? -1,
      output: result.all === "" ? (result.shortMessage ?? "") : result.all,
    };
  };
}

const sleep: Sleep = async (ms, signal) => {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    // Aborted: whoever waits looks at the signal itself.
  }
};
