import { once } from "node:events";
import {
  type WriteStream,
  createWriteStream,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { z } from "zod";
import { AppError, messageOf } from "../lib/errors.ts";
import type { BackendName } from "./backend.ts";
import {
  type Command,
  type ProcessIdentity,
  identityOf,
  isAlive,
  processesOf,
  runsCommand,
} from "./process-table.ts";

/**
 * The server's process. Nodes have their roots on it, so it must outlive a head that is killed: it gets a session of its
 * own and writes to a file, not to a pipe. What was started is written down, so that the next head finds it again.
 */
export type Child = {
  pid: number;
  /** True when a head before this one started it. */
  adopted: boolean;
  /** How it ended, in words. Never rejects. */
  ended: Promise<string>;
  /** Asks it to end, then makes it. Resolves when it is gone. */
  end: () => Promise<void>;
};

export type ChildHost = {
  /** What is still running from before; undefined when nothing is. */
  find: () => { child: Child; digest: string; backend: BackendName } | undefined;
  /** `digest` stands for everything the child was configured with. */
  start: (command: Command, backend: BackendName, digest: string) => Promise<Child>;
  /** Forgets the child that has ended. */
  forget: () => void;
};

export type ChildPlaces = {
  /** Where the running child is written down. */
  record: string;
  /** Standard output and error of the child. */
  log: string;
  /** PATH of the child. */
  searchPath: string;
  /** How long a child may take to end when asked, before it is killed; 8 s unless told otherwise. */
  endTimeoutMs?: number;
};

const recordSchema = z.object({
  backend: z.enum(["ganesha", "kernel"]),
  digest: z.string(),
  command: z.object({ file: z.string(), args: z.array(z.string()) }),
  /** Absent between the moment before the start and the one after it. */
  process: z.object({ pid: z.int().positive(), startTicks: z.int() }).optional(),
});

type ChildRecord = z.infer<typeof recordSchema>;

/** The log is put aside before a start when it has grown past this. */
const longestLogBytes = 8 * 1024 * 1024;

const pollMs = 200;

const standardEndTimeoutMs = 8000;

export function createChildHost(places: ChildPlaces): ChildHost {
  const endTimeoutMs = places.endTimeoutMs ?? standardEndTimeoutMs;
  return {
    find: () => {
      const record = readRecord(places.record);
      const identity = record === undefined ? undefined : runningProcess(record);
      if (record === undefined || identity === undefined) return undefined;
      return { child: adoptedChild(identity, endTimeoutMs), digest: record.digest, backend: record.backend };
    },
    start: async (command, backend, digest) => {
      const record = { backend, digest, command: { file: command.file, args: [...command.args] } };
      // Written before the start too: a head killed between start and record would leave an orphan nobody knows.
      writeRecord(places.record, record);
      const { child, identity } = await startedChild(command, places);
      writeRecord(places.record, { ...record, process: identity });
      return child;
    },
    forget: () => rmSync(places.record, { force: true }),
  };
}

function runningProcess(record: ChildRecord): ProcessIdentity | undefined {
  if (record.process === undefined) return processesOf(record.command)[0];
  const alive = isAlive(record.process) && runsCommand(record.process.pid, record.command);
  return alive ? record.process : undefined;
}

async function startedChild(
  command: Command,
  places: ChildPlaces,
): Promise<{ child: Child; identity: ProcessIdentity }> {
  // A file stream is handed over as its descriptor: what the child writes does not pass through the head.
  const log = await openLog(places.log);
  const running = execa(command.file, command.args, {
    detached: true,
    cleanup: false,
    reject: false,
    stdin: "ignore",
    stdout: log,
    stderr: log,
    buffer: false,
    env: { PATH: places.searchPath },
  });
  log.close();
  // The head may end without waiting for it.
  running.nodeChildProcess.unref();
  const endTimeoutMs = places.endTimeoutMs ?? standardEndTimeoutMs;
  const ended = running.then((result) => {
    if (result.exitCode !== undefined) return `exit status ${result.exitCode}`;
    if (result.signal !== undefined) return `killed by ${result.signal}`;
    return result.shortMessage ?? "it did not start";
  });
  const identity = running.pid === undefined ? undefined : identityOf(running.pid);
  if (identity === undefined) {
    throw new AppError("environment", `${command.file} could not be started: ${await ended}`, {
      hint: `look into ${places.log}`,
    });
  }
  return {
    child: { pid: identity.pid, adopted: false, ended, end: () => endProcess(identity, endTimeoutMs) },
    identity,
  };
}

/** A child of a head that is gone is nobody's child here: its end is seen by looking. */
function adoptedChild(identity: ProcessIdentity, endTimeoutMs: number): Child {
  const watch = async (): Promise<string> => {
    while (isAlive(identity)) await sleep(pollMs, undefined, { ref: false });
    return "it ended (started by an earlier head, so its exit status is not known)";
  };
  return { pid: identity.pid, adopted: true, ended: watch(), end: () => endProcess(identity, endTimeoutMs) };
}

async function endProcess(identity: ProcessIdentity, endTimeoutMs: number): Promise<void> {
  signalSession(identity, "SIGTERM");
  const attempts = endTimeoutMs / pollMs;
  for (let attempt = 0; attempt < attempts && isAlive(identity); attempt += 1) await sleep(pollMs);
  signalSession(identity, "SIGKILL");
  // Bounded: a process that hangs in the kernel cannot be killed, and is not to hang the head as well.
  for (let attempt = 0; attempt < attempts && isAlive(identity); attempt += 1) await sleep(pollMs);
}

/** To the whole process group: the child leads one of its own. */
function signalSession(identity: ProcessIdentity, signal: "SIGTERM" | "SIGKILL"): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(-identity.pid, signal);
  } catch {
    // It has ended since the look.
  }
}

async function openLog(file: string): Promise<WriteStream> {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > longestLogBytes) renameSync(file, `${file}.1`);
  const stream = createWriteStream(file, { flags: "a", mode: 0o600 });
  await once(stream, "open");
  return stream;
}

function readRecord(file: string): ChildRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined; // none, or cut short by a crash: a port that is taken will be noticed at the start
  }
}

function writeRecord(file: string, record: ChildRecord): void {
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new AppError("environment", `cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}
