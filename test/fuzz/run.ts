import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { type FuzzProgress, inputName } from "./fuzzer.ts";
import type { FuzzMessage, FuzzTask } from "./worker.ts";

export type FuzzRunOptions = {
  target: string;
  seconds: number;
  seed: number;
  /** Inputs that reach code no earlier one did are kept here, one file each; read at the start. */
  corpusDirectory: string;
  /** Whether what is found is written there. */
  keeps: boolean;
  onProgress?: (progress: FuzzProgress) => void;
};

/** `hang`: one input took `patienceMs` of processor time; `growth`: memory that is not given back. */
export type FuzzFault = { kind: "defect" | "hang" | "growth"; text: string; bytes?: Uint8Array };

export type FuzzOutcome = FuzzProgress & { growthBytes: number; found: number; fault?: FuzzFault };

/** The longest input of any target. */
const longestInput = 64 * 1024;
/** Of processor time: no decoder of ours takes a millisecond, but a run at idle priority may get none for minutes. */
const patienceMs = 10_000;
/** Code that V8 compiles late, coverage that is newly recorded: seen to settle below 4 MB. */
const growthLimitBytes = 16 * 1024 * 1024;

/** Fuzzes one target in a thread of its own, which can be ended when an input makes it hang. */
export async function runFuzz(options: FuzzRunOptions): Promise<FuzzOutcome> {
  const current = new SharedArrayBuffer(longestInput + 4);
  const task: FuzzTask = {
    target: options.target,
    seed: options.seed,
    seconds: options.seconds,
    corpus: readCorpus(options.corpusDirectory),
    current,
  };
  const worker = new Worker(new URL("worker.ts", import.meta.url), { workerData: task });
  let last: FuzzProgress = { executions: 0, covered: 0, corpus: 0, heapBytes: 0 };
  let found = 0;
  const { promise, resolve, reject } = Promise.withResolvers<FuzzOutcome>();
  const end = (fault: FuzzFault): void => resolve({ ...last, growthBytes: 0, found, fault });
  let watchdog: NodeJS.Timeout | undefined;
  const watch = (): void => {
    clearTimeout(watchdog);
    const before = processorMs();
    const look = (): void => {
      const used = processorMs() - before;
      if (used >= patienceMs) end(hangOf(current));
      else watchdog = setTimeout(look, patienceMs - used);
    };
    watchdog = setTimeout(look, patienceMs);
  };
  watch();
  worker.on("message", (message: FuzzMessage) => {
    watch();
    switch (message.kind) {
      case "progress": {
        last = message.progress;
        options.onProgress?.(last);
        break;
      }
      case "found": {
        found += 1;
        if (options.keeps) keep(options.corpusDirectory, message.bytes);
        break;
      }
      case "ended": {
        const { report, growthBytes, defect } = message;
        const fault = faultOf(growthBytes, defect);
        resolve({ ...report, growthBytes, found, ...(fault === undefined ? {} : { fault }) });
        break;
      }
    }
  });
  worker.on("error", reject);
  try {
    return await promise;
  } finally {
    clearTimeout(watchdog);
    await worker.terminate();
  }
}

/** Inputs in files; their names are their digests. */
export function readCorpus(directory: string): Uint8Array[] {
  mkdirSync(directory, { recursive: true });
  return readdirSync(directory)
    .toSorted()
    .map((file) => new Uint8Array(readFileSync(join(directory, file))));
}

export function keep(directory: string, bytes: Uint8Array): string {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, inputName(bytes));
  writeFileSync(file, bytes);
  return file;
}

/** Used by all threads of this process so far. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function hangOf(current: SharedArrayBuffer): FuzzFault {
  const length = new Uint32Array(current, 0, 1)[0] ?? 0;
  const bytes = new Uint8Array(current).slice(4, 4 + length);
  return { kind: "hang", text: `no answer for ${patienceMs / 1000} s`, bytes };
}

function faultOf(growthBytes: number, defect?: { bytes: Uint8Array; text: string }): FuzzFault | undefined {
  if (defect !== undefined) return { kind: "defect", ...defect };
  if (growthBytes <= growthLimitBytes) return undefined;
  return { kind: "growth", text: `${(growthBytes / 1024 / 1024).toFixed(0)} MB more than when it was warm` };
}
