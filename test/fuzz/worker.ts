import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { fuzz, type FuzzProgress, type FuzzReport } from "./fuzzer.ts";
import { fuzzTargets } from "./targets.ts";

/** What a run is told; `current` holds the input under test, its length in the first four bytes, for the watchdog. */
export type FuzzTask = {
  target: string;
  seed: number;
  seconds: number;
  corpus: readonly Uint8Array[];
  current: SharedArrayBuffer;
};

export type FuzzMessage =
  | { kind: "progress"; progress: FuzzProgress }
  | { kind: "found"; bytes: Uint8Array }
  | {
      kind: "ended";
      report: Omit<FuzzReport, "defect">;
      growthBytes: number;
      defect?: { bytes: Uint8Array; text: string };
    };

const tellEveryMs = 500;

/** After this share of the time everything that is kept for good should have been made. */
const warmShare = 0.3;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function settledHeapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

async function main({ target: name, seed, seconds, corpus, current }: FuzzTask): Promise<void> {
  const target = fuzzTargets.find((each) => each.name === name);
  if (target === undefined) throw new Error(`there is no fuzz target ${name}`);
  const tell = (message: FuzzMessage): void => parentPort?.postMessage(message, []);
  const shown = new Uint8Array(current);
  const length = new Uint32Array(current, 0, 1);
  const startedMs = performance.now();
  let toldMs = startedMs;
  let warmHeapBytes: number | undefined;
  const report = await fuzz(target, {
    seed,
    corpus,
    goesOn: (progress) => {
      const nowMs = performance.now();
      const share = (nowMs - startedMs) / (seconds * 1000);
      if (share >= warmShare) warmHeapBytes ??= settledHeapBytes();
      if (nowMs - toldMs >= tellEveryMs) {
        toldMs = nowMs;
        tell({ kind: "progress", progress });
      }
      return share < 1;
    },
    onInput: (bytes) => {
      length[0] = bytes.length;
      shown.set(bytes, 4);
    },
    onFound: (bytes) => tell({ kind: "found", bytes }),
  });
  const { defect, ...rest } = report;
  const text =
    defect?.error instanceof Error ? (defect.error.stack ?? defect.error.message) : String(defect?.error);
  const endBytes = settledHeapBytes();
  tell({
    kind: "ended",
    report: rest,
    growthBytes: endBytes - (warmHeapBytes ?? endBytes),
    ...(defect === undefined ? {} : { defect: { bytes: defect.bytes, text } }),
  });
}

await main(workerData as FuzzTask);
