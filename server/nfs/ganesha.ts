import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { AppError, errnoOf } from "../lib/errors.ts";
import { ownerOfPort } from "../net/port-owner.ts";
import type { NfsBackend } from "./backend.ts";
import type { NfsExports } from "./exports.ts";
import { ganeshaConfig } from "./ganesha-config.ts";

/** NFS-Ganesha, in the foreground. Everything it writes lies in `directory`. */
export function ganeshaBackend(options: {
  program: string;
  release?: number;
  exports: NfsExports;
  directory: string;
}): NfsBackend {
  const { program, exports, directory } = options;
  const files = {
    config: path.join(directory, "ganesha.conf"),
    log: path.join(directory, "ganesha.log"),
    pid: path.join(directory, "ganesha.pid"),
    recovery: path.join(directory, "recovery"),
  };
  const text = ganeshaConfig(exports, files.recovery, options.release);
  return {
    name: "ganesha",
    command: { file: program, args: ["-F", "-f", files.config, "-L", files.log, "-p", files.pid] },
    digest: createHash("sha256").update(text).digest("hex"),
    logFile: files.log,
    prepare: async () => {
      await checkPortFree(exports);
      mkdirSync(files.recovery, { recursive: true, mode: 0o700 });
      writeFileSync(files.config, text, { mode: 0o600 });
    },
    repair: async () => undefined,
    release: async () => undefined,
  };
}

/** Ganesha itself would only write of it into its log. */
async function checkPortFree(place: { address: string; port: number }): Promise<void> {
  const server = net.createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(place.port, place.address, resolve);
    });
  } catch (error) {
    throw portError(place, errnoOf(error), error);
  }
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function portError(
  place: { address: string; port: number },
  errno: string | undefined,
  cause: unknown,
): AppError {
  if (errno === "EADDRINUSE") {
    const owner = ownerOfPort(place.port) ?? "no process that can be seen: perhaps the kernel's NFS server";
    return new AppError("environment", `NFS port ${place.port} is taken by ${owner}`, {
      hint: "stop that server, or set another ports.nfs in the configuration",
      cause,
    });
  }
  if (errno === "EADDRNOTAVAIL") {
    return new AppError("environment", `${place.address} is not an address of this machine`, { cause });
  }
  return new AppError("environment", `cannot listen on ${place.address}:${place.port}: ${errno}`, { cause });
}
