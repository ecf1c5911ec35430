import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { AppError } from "../lib/errors.ts";
import type { NfsBackend, Run } from "./backend.ts";
import type { NfsExports } from "./exports.ts";
import { controlDirectory, kernelPlan } from "./kernel-plan.ts";
import type { Command } from "./process-table.ts";

/**
 * The kernel's NFS server. There is one in a machine, and somebody else may use it too: when its threads run already
 * and not because of us, our exports are added to it and nothing else is touched, neither now nor at the end.
 */
export function kernelBackend(options: {
  exports: NfsExports;
  directory: string;
  run: Run;
  /** nfsd's control files; elsewhere in tests. */
  control?: string;
}): NfsBackend {
  const { exports, directory, run } = options;
  const plan = kernelPlan(exports);
  const control = options.control ?? controlDirectory;
  const marker = path.join(directory, "kernel-threads-are-ours");
  const must = (command: Command): Promise<void> => runOrThrow(run, command);
  const publish = async (): Promise<void> => {
    for (const command of plan.publish) await must(command);
  };
  const startThreads = async (): Promise<void> => {
    if (runningThreads(control) > 0) {
      checkForeignPort(control, marker, exports.port);
      return;
    }
    await must(plan.startThreads);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(marker, bootId());
  };
  return {
    name: "kernel",
    command: plan.mountd,
    digest: createHash("sha256").update(JSON.stringify(plan)).digest("hex"),
    logFile: path.join(directory, "mountd.log"),
    prepare: async () => {
      if (!existsSync(path.join(control, "threads"))) {
        await must(plan.loadModule);
        // Loading the module mounts it where systemd has a unit for that.
        if (!existsSync(path.join(control, "threads"))) await must(plan.mountControl);
      }
      await publish();
      await startThreads();
    },
    repair: async () => {
      await publish();
      await startThreads();
    },
    release: async () => {
      for (const command of plan.withdraw) await run(command);
      if (isOurs(marker)) await run(plan.stopThreads);
      rmSync(marker, { force: true });
    },
  };
}

async function runOrThrow(run: Run, command: Command): Promise<void> {
  const { exitCode, output } = await run(command);
  if (exitCode === 0) return;
  const line = [command.file, ...command.args].join(" ");
  const detail = output.trim() === "" ? `exit status ${exitCode}` : output.trim();
  throw new AppError("environment", `"${line}" failed: ${detail}`, {
    hint: 'set nfs.backend to "ganesha" to do without the kernel\'s NFS server',
  });
}

function runningThreads(control: string): number {
  const count = Number(readOrEmpty(path.join(control, "threads")).trim());
  return Number.isInteger(count) ? count : 0;
}

/** A server that was running before us listens where it was told to, not where our configuration says. */
function checkForeignPort(control: string, marker: string, port: number): void {
  if (isOurs(marker)) return;
  // A line is "tcp 2049" (fs/nfsd/nfsctl.c, write_ports).
  const listeners = readOrEmpty(path.join(control, "portlist"));
  if (new RegExp(`^tcp.* ${port}$`, "m").test(listeners)) return;
  throw new AppError("conflict", `the kernel's NFS server is running already, but not on port ${port}`, {
    hint: 'set ports.nfs to its port, stop it ("systemctl stop nfs-server"), or set nfs.backend to "ganesha"',
  });
}

/** The marker of an earlier boot says nothing of the threads of this one. */
function isOurs(marker: string): boolean {
  return readOrEmpty(marker) === bootId();
}

function bootId(): string {
  return readOrEmpty("/proc/sys/kernel/random/boot_id").trim();
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
