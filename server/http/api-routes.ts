import express, { json, Router, type Express, type Request } from "express";
import type { Inventory } from "../inventory/inventory.ts";
import type { Log } from "../lib/log.ts";
import { AppError } from "../lib/errors.ts";
import type {
  DiscoveredAnswerMachine,
  EventAnswer,
  LeaseAnswer,
  NodeAnswer,
  RenderAnswer,
  SnapshotAnswer,
  StatusAnswer,
  WhyAnswer,
} from "../model/answers.ts";
import type { Directory } from "../model/directory.ts";
import type { ImageVersion } from "../model/image.ts";
import type { ClusterNode, Lease } from "../model/node.ts";
import { nodesOfRange } from "../model/node-lookup.ts";
import {
  addNodesSchema,
  removeGroupSchema,
  removeNodesSchema,
  setGroupSchema,
  setNodesSchema,
} from "./api-schemas.ts";
import { briefNodeAnswer, groupAnswer } from "./answers.ts";
import { checked } from "./checked.ts";
import { type EventSource, streamEvents } from "./event-stream.ts";
import { streamList } from "./list-answer.ts";
import { problemHandler } from "./problem.ts";

/** What the API asks of the rest. */
export type ApiParts = {
  directory: Directory;
  inventory: Inventory;
  events: EventSource;
  log: Log;
  status: () => Promise<StatusAnswer>;
  nodeAnswers: (nodes: readonly ClusterNode[]) => Promise<readonly NodeAnswer[]>;
  leases: () => Promise<readonly Lease[]>;
  leaseAnswers: (leases: readonly Lease[]) => readonly LeaseAnswer[];
  discovered: () => readonly DiscoveredAnswerMachine[];
  images: () => readonly ImageVersion[];
  newestEvents: (limit: number, nodeIds?: readonly number[]) => Promise<readonly EventAnswer[]>;
  why: (subject: string) => Promise<WhyAnswer>;
  render: (name: string) => Promise<RenderAnswer>;
  snapshot: () => Promise<SnapshotAnswer>;
};

/** The head's API for its own machine: model/answers.ts has the requests and answers. Served on a local socket only. */
export function apiApp(parts: ApiParts): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(json({ limit: "32mb" }));
  app.use("/api", readingRoutes(parts), changingRoutes(parts));
  app.use((request) => {
    throw new AppError("not-found", `there is no ${request.method} ${request.path}`);
  });
  app.use(problemHandler(parts.log));
  return app;
}

function readingRoutes(parts: ApiParts): Router {
  const router = Router();
  router.get("/status", async (_, response) => void response.json(await parts.status()));
  router.get("/nodes", async (request, response) => {
    const range = queryText(request, "range");
    const nodes = range === undefined ? parts.directory.nodes() : nodesOfRange(range, parts.directory);
    const brief = async (some: readonly ClusterNode[]) =>
      (await parts.nodeAnswers(some)).map(briefNodeAnswer);
    await streamList(
      response,
      "nodes",
      nodes,
      queryText(request, "brief") === "1" ? brief : parts.nodeAnswers,
    );
  });
  router.get(
    "/groups",
    (_, response) => void response.json({ groups: parts.directory.groups().map(groupAnswer) }),
  );
  router.get("/leases", async (_, response) => {
    await streamList(response, "leases", await parts.leases(), async (leases) => parts.leaseAnswers(leases));
  });
  router.get("/discovered", (_, response) => void response.json({ machines: parts.discovered() }));
  router.get("/images", (_, response) => void response.json({ images: parts.images() }));
  router.get("/events", async (request, response) => {
    const limit = Number(queryText(request, "limit") ?? 100);
    if (!Number.isInteger(limit) || limit < 1 || limit > 100_000)
      throw new AppError("invalid", "limit is 1 to 100000");
    response.json({ events: await parts.newestEvents(limit, nodeIdsOf(parts, request)) });
  });
  router.get("/events/stream", (request, response) =>
    streamEvents(parts.events, response, nodeIdsOf(parts, request)),
  );
  router.get(
    "/why/:subject",
    async (request, response) => void response.json(await parts.why(request.params.subject)),
  );
  router.get(
    "/render/:name",
    async (request, response) => void response.json(await parts.render(request.params.name)),
  );
  return router;
}

function changingRoutes({ inventory, snapshot }: ApiParts): Router {
  const router = Router();
  router.post("/snapshot", async (_, response) => void response.json(await snapshot()));
  router.post("/nodes", async (request, response) => {
    response.json(await inventory.addNodes(checked(addNodesSchema, request.body)));
  });
  router.patch("/nodes", async (request, response) => {
    response.json(await inventory.setNodes(checked(setNodesSchema, request.body)));
  });
  router.delete("/nodes", async (request, response) => {
    response.json(await inventory.removeNodes(checked(removeNodesSchema, request.body)));
  });
  router.post("/groups", async (request, response) => {
    response.json(await inventory.addGroup(checked(setGroupSchema, request.body)));
  });
  router.patch("/groups", async (request, response) => {
    response.json(await inventory.setGroup(checked(setGroupSchema, request.body)));
  });
  router.delete("/groups", async (request, response) => {
    response.json(await inventory.removeGroup(checked(removeGroupSchema, request.body)));
  });
  return router;
}

function queryText(request: Request, name: string): string | undefined {
  const value = request.query[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function nodeIdsOf(parts: ApiParts, request: Request): number[] | undefined {
  const range = queryText(request, "range");
  return range === undefined ? undefined : nodesOfRange(range, parts.directory).map((node) => node.id);
}
