import type { IncomingMessage, RequestListener, Server } from "node:http";
import express, { type Express } from "express";
import { AppError } from "../lib/errors.ts";
import type { PartStatus } from "../model/answers.ts";
import { bootHandler, type BootHandlerParts } from "./boot-handler.ts";
import { ConnectionGate } from "./connection-gate.ts";
import { FileCache, type FileCacheLimits } from "./file-cache.ts";
import { type NodeRouteParts, nodeRoutes } from "./node-routes.ts";
import { problemHandler } from "./problem.ts";
import { Transfers } from "./transfers.ts";

export type NodeFacingParts = Omit<BootHandlerParts, "files" | "transfers" | "isExcess"> & NodeRouteParts;

export type NodeFacingLimits = FileCacheLimits & {
  /** A client that takes nothing for so long is cut off. 256 KiB in that time is the slowest that is served. */
  patienceMs: number;
  connections: number;
};

/** `cacheBytes` is the configuration's. */
export const defaultNodeFacingLimits: Omit<NodeFacingLimits, "cacheBytes"> = {
  recheckMs: 200,
  byKernel: true,
  patienceMs: 30_000,
  connections: 8192,
};

export type NodeFacing = {
  listener: RequestListener;
  /** Called with every server that the listener gets: they share its limits. */
  watch: (server: Server) => void;
  counters: () => PartStatus["counters"];
};

/** Everything that machines on the nodes' network may ask for over HTTP. */
export function nodeFacing(parts: NodeFacingParts, limits: NodeFacingLimits): NodeFacing {
  const gate = new ConnectionGate(limits.connections);
  const files = new FileCache(limits, () => parts.clock.nowMs());
  const transfers = new Transfers(limits);
  const isExcess = ({ socket }: IncomingMessage): boolean => gate.isExcess(socket);
  const boot = bootHandler({ ...parts, files, transfers, isExcess });
  const others = nodeApp(parts, isExcess);
  return {
    listener: (request, response) => {
      if (!boot(request, response)) others(request, response);
    },
    watch: (server) => gate.watch(server),
    counters: () => {
      const { hits, misses, streamed, bytes } = files.counters();
      const { active, cut, broken, kernelBytes } = transfers.counters();
      const cache = { "cache.hits": hits, "cache.misses": misses, "cache.bytes": bytes };
      return {
        ...parts.desk.counters(),
        ...gate.counters(),
        transfers: active,
        cut,
        broken,
        ...cache,
        streamed,
        "kernel.bytes": kernelBytes,
      };
    },
  };
}

function nodeApp(parts: NodeRouteParts, isExcess: (request: IncomingMessage) => boolean): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use((request, response, next) => {
    if (!isExcess(request)) {
      next();
      return;
    }
    response.set({ "retry-after": "5", connection: "close" });
    throw new AppError("unavailable", "too many connections: ask again in 5 seconds");
  });
  app.use(nodeRoutes(parts));
  app.use((request) => {
    throw new AppError("not-found", `there is no ${request.path}`);
  });
  app.use(problemHandler(parts.log));
  return app;
}
