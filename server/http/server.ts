import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import { AppError, messageOf } from "../lib/errors.ts";
import { type DeviceAddress, deviceTcpListener } from "../net/device-socket.ts";

export type HttpServer = { start: () => Promise<void>; stop: () => Promise<void> };

/** What clients are given time and room for. */
export type ConnectionLimits = {
  /** To send a whole request head, from the connection or from its first byte on; a client that says nothing, too. */
  headersMs: number;
  /** To send a whole request. */
  requestMs: number;
  /** Between two requests. */
  keepAliveMs: number;
  /** How often the first two are looked at. */
  lookMs: number;
};

export const defaultConnectionLimits: ConnectionLimits = {
  headersMs: 20_000,
  requestMs: 60_000,
  keepAliveMs: 10_000,
  lookMs: 2000,
};

/** All that a loader or an agent sends fits many times. */
const maxHeaderSize = 16 * 1024;

/** Who may use the local socket besides root. */
const socketGroup = "provision";

/**
 * Serves on each place. Several, since a socket bound to the nodes' interface does not hear the head itself: what comes
 * from there comes by `lo`.
 */
export function createDeviceHttpServer(
  places: readonly DeviceAddress[],
  app: RequestListener,
  watch: (server: Server) => void,
): HttpServer {
  return serverOf(
    places.map((place) => () => {
      const server = createBoundedServer(app);
      watch(server);
      return listening(server, () => server.listen(deviceTcpListener(place)));
    }),
  );
}

/** A server that waits for nobody longer than `limits` say, and answers what is no HTTP in words. */
export function createBoundedServer(app: RequestListener, limits = defaultConnectionLimits): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.lookMs,
      maxHeaderSize,
      noDelay: true,
    },
    app,
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const [status, text] = clientFaults[error.code ?? ""] ?? ["400 Bad Request", "this is no HTTP request"];
    if (error.code === "ECONNRESET" || !socket.writable) {
      socket.destroy();
      return;
    }
    const head = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: text/plain`;
    socket.end(`${head}\r\ncontent-length: ${text.length + 1}\r\n\r\n${text}\n`, () => socket.destroy());
  });
  return server;
}

const clientFaults: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "the request's head is longer than 16 KiB"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request did not come to its end in time"],
};

/** Serves on a local socket that only root, and the group `provision` where there is one, may open. */
export function createSocketHttpServer(path: string, app: RequestListener): HttpServer {
  const { start, stop } = serverOf([
    async () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      await removeDeadSocket(path);
      const mask = process.umask(0o177); // never open to others, not even for a moment
      try {
        const server = createBoundedServer(app);
        await listening(server, () => server.listen(path));
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

async function listening(server: Server, start: () => void): Promise<Server> {
  start();
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
