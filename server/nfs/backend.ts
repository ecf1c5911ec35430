import type { Command } from "./process-table.ts";

/**
 * One of the two NFS servers. Both are a process that is watched and started again; for the kernel's server, whose
 * threads are nobody's child, that process is rpc.mountd, without which the kernel asks in vain who may mount what.
 */
export type NfsBackend = {
  name: BackendName;
  command: Command;
  /** Stands for everything the server is configured with: a running one with another digest is started anew. */
  digest: string;
  /** Where to read why it died. */
  logFile: string;
  /** Makes everything ready for the command; before every start of it. */
  prepare: () => Promise<void>;
  /** Puts back what has gone missing while the process lives: exports that someone took away. */
  repair: () => Promise<void>;
  /** Takes away what outlives the process. */
  release: () => Promise<void>;
};

export type BackendName = "ganesha" | "kernel";

/** Runs a short command to its end. Injected: the kernel's commands cannot run everywhere tests do. */
export type Run = (command: Command) => Promise<{ exitCode: number; output: string }>;
