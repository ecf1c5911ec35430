import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { AppError, messageOf } from "../lib/errors.ts";
import { type DeviceAddress, deviceTcpListener } from "../net/device-socket.ts";

export type HttpServer = { start: () => Promise<void>; stop: () => Promise<void> };

/** A client that has not sent a whole request head by then is cut off. */
const headersTimeout = 20_000;

/** Who may use the local socket besides root. */
const socketGroup = "provision";

/**
 * Serves on each place. Several, since a socket bound to the nodes' interface does not hear the head itself: what comes
 * from there comes by `lo`.
 */
export function createDeviceHttpServer(places: readonly DeviceAddress[], app: RequestListener): HttpServer {
  return serverOf(
    places.map((place) => () => listening(app, (server) => server.listen(deviceTcpListener(place)))),
  );
}

/** Serves on a local socket that only root, and the group `provision` where there is one, may open. */
export function createSocketHttpServer(path: string, app: RequestListener): HttpServer {
  const { start, stop } = serverOf([
    async () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      await removeDeadSocket(path);
      const mask = process.umask(0o177); // never open to others, not even for a moment
      try {
        const server = await listening(app, (target) => target.listen(path));
        const group = groupId(socketGroup);
        if (group !== undefined) {
          chownSync(path, 0, group);
          chmodSync(path, 0o660);
        }
        return server;
      } finally {
        process.umask(mask);
      }
    },
  ]);
  return { start, stop };
}

function serverOf(openers: readonly (() => Promise<Server>)[]): HttpServer {
  const servers: Server[] = [];
  return {
    start: async () => {
      for (const open of openers) servers.push(await open());
    },
    stop: async () => {
      await Promise.all(servers.splice(0).map(close));
    },
  };
}

async function listening(app: RequestListener, start: (server: Server) => void): Promise<Server> {
  const server = createServer({ headersTimeout, keepAliveTimeout: 10_000 }, app);
  start(server);
  await once(server, "listening");
  return server;
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}

/** A head that was killed leaves its socket behind; one that answers is another head's. */
async function removeDeadSocket(path: string): Promise<void> {
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
  if (alive)
    throw new AppError("environment", `another head answers on ${path}`, { hint: "provision status" });
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw new AppError("environment", `cannot remove the old socket ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function groupId(name: string): number | undefined {
  const row = readFileSync("/etc/group", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${name}:`));
  const id = Number(row?.split(":")[2]);
  return Number.isInteger(id) ? id : undefined;
}
