import { type WriteStream, createWriteStream } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { AppError, errnoOf } from "../lib/errors.ts";
import { type ImageArchitecture, type ImageDefinition, customizeScript } from "./definition.ts";
import { failureHint, lastWords } from "./failure.ts";

export type MmdebstrapRun = {
  definition: ImageDefinition;
  definitionDirectory: string;
  architecture: ImageArchitecture;
  nodeBinary: string;
  /** The root file system is made here; must not exist. */
  root: string;
  /** Everything it says. */
  logFile: string;
  /** PATH, and proxies if there are any. */
  environment: Readonly<Record<string, string | undefined>>;
  /** False where the right to make namespaces is missing, and nothing is mounted either. */
  isolated: boolean;
  onLine: (line: string) => void;
  signal: AbortSignal;
};

/** Lines kept for the error message. */
const rememberedLines = 200;

/** How long it may take to put its own things away when asked to end. */
const endTimeoutMs = 15_000;

/** Runs mmdebstrap to its end. When the signal is aborted it is ended, and this rejects after it is gone. */
export async function runMmdebstrap(run: MmdebstrapRun): Promise<void> {
  const [file = "", ...args] = [
    ...(run.isolated ? isolation : []),
    "mmdebstrap",
    ...mmdebstrapArguments(run),
  ];
  const log = createWriteStream(run.logFile);
  const lines: string[] = [];
  const child = execa(file, args, {
    all: true,
    buffer: false,
    reject: false,
    stdin: "ignore",
    // A group of its own: Ctrl-C in a terminal reaches only the one who decides what to do about it.
    detached: true,
    extendEnv: false,
    env: childEnvironment(run),
  });
  let killTimer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    endGroup(child.pid, "SIGTERM");
    killTimer = setTimeout(() => endGroup(child.pid, "SIGKILL"), endTimeoutMs);
  };
  run.signal.addEventListener("abort", stop, { once: true });
  if (run.signal.aborted) stop();
  for await (const line of child.iterable({ from: "all" })) {
    log.write(`${line}\n`);
    lines.push(line);
    if (lines.length > rememberedLines) lines.shift();
    run.onLine(line);
  }
  const result = await child;
  run.signal.removeEventListener("abort", stop);
  clearTimeout(killTimer);
  await closed(log);
  run.signal.throwIfAborted();
  if (result.failed) throw failure(run, lines, result.exitCode, errnoOf(result.cause));
}

/**
 * mmdebstrap mounts /proc, /sys and /dev into the tree. In a mount and process namespace of its own nothing of that is
 * seen outside, and nothing outlives it: not when it is killed, and not when we are (--pdeathsig).
 */
const isolation =
  "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=KILL --mount-proc".split(" ");

/** The command line, mmdebstrap(1). */
export function mmdebstrapArguments(
  run: Pick<MmdebstrapRun, "definition" | "definitionDirectory" | "architecture" | "root">,
): string[] {
  const { definition, architecture } = run;
  const packages = [...definition.packages, ...(definition.packagesByArchitecture[architecture] ?? [])];
  const script = path.join(run.definitionDirectory, customizeScript);
  return [
    "--verbose",
    "--mode=root",
    "--format=directory",
    `--variant=${definition.variant}`,
    `--architectures=${architecture}`,
    `--components=${definition.components.join(",")}`,
    // The tree is thrown away when the machine fails meanwhile.
    "--dpkgopt=force-unsafe-io",
    ...definition.dpkgExclude.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
    ...definition.dpkgInclude.map((pattern) => `--dpkgopt=path-include=${pattern}`),
    '--aptopt=APT::Install-Recommends "false"',
    ...(packages.length === 0 ? [] : [`--include=${packages.join(",")}`]),
    `--customize-hook=${shellQuoted(script)} "$1"`,
    definition.suite,
    run.root,
  ];
}

/** Nothing of the builder's own environment may change the image. */
function childEnvironment(run: MmdebstrapRun): Record<string, string> {
  const { definition, environment } = run;
  const passed = ["PATH", "http_proxy", "https_proxy", "no_proxy"].flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
    LC_ALL: "C.UTF-8",
    SOURCE_DATE_EPOCH: String(definition.sourceDateEpoch),
    // Debian's hooks are not to make a second initrd.
    INITRD: "No",
    NODE_BINARY: run.nodeBinary,
    DRACUT_MODULES: definition.dracut.modules.join(" "),
    DRACUT_DRIVERS: definition.dracut.drivers.join(" "),
  };
}

function failure(
  run: MmdebstrapRun,
  lines: readonly string[],
  exitCode: number | undefined,
  errno: string | undefined,
): AppError {
  const absent = lines.some((line) => /failed to execute mmdebstrap/.test(line)); // as unshare says it
  if (errno === "ENOENT" || absent) {
    return new AppError("environment", "mmdebstrap is not installed", { hint: "apt-get install mmdebstrap" });
  }
  const words = lastWords(lines);
  const hint = failureHint(words) ?? failureHint(lines);
  return new AppError(
    "environment",
    [`mmdebstrap failed (exit status ${exitCode ?? "unknown"}):`, ...words.map((line) => `  ${line}`)].join(
      "\n",
    ),
    { hint: [...(hint === undefined ? [] : [hint]), `all of its output: ${run.logFile}`].join("; ") },
  );
}

function endGroup(pid: number | undefined, signal: "SIGTERM" | "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

function closed(log: WriteStream): Promise<void> {
  return new Promise((resolve) => log.end(() => resolve()));
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
