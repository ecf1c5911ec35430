import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCore } from "../core.ts";
import type { Config } from "../config/config.ts";
import { AppError, errnoOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";

/** The head's API on the store itself, for as long as no head runs. */
export type Offline = { socket: string; close: () => Promise<void> };

/**
 * Opens the store in this process, alone, and serves the same API on a socket that only this user can reach, so that
 * every command is one path of code. @throws AppError("unavailable") when another process has the store.
 */
export async function openOffline(config: Config, log: Log): Promise<Offline> {
  checkMayWrite(config.stateDirectory);
  const core = await openCore(config, { log });
  const directory = await mkdtemp(join(privatePlace(), "provision-")); // mode 0700: mkdtemp(3)
  const server = http.createServer(core.api);
  const socket = join(directory, "api.sock");
  try {
    server.listen(socket);
    await once(server, "listening");
  } catch (error) {
    await Promise.all([core.close(), rm(directory, { recursive: true, force: true })]);
    throw error;
  }
  return {
    socket,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await core.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A socket's path has at most 107 bytes (unix(7)), which a long TMPDIR alone may fill. */
function privatePlace(): string {
  return tmpdir().length > 70 ? "/tmp" : tmpdir();
}

function checkMayWrite(stateDirectory: string): void {
  try {
    accessSync(stateDirectory, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return; // made when the store is opened, by who may
    throw new AppError(
      "forbidden",
      `no head is running, and only root may work on its store in ${stateDirectory}`,
      {
        hint: "sudo, or start the head: sudo provision serve",
        cause: error,
      },
    );
  }
}
