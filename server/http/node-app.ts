import express, { type Express } from "express";
import { AppError } from "../lib/errors.ts";
import { type BootRouteParts, bootRoutes } from "./boot-routes.ts";
import { type NodeRouteParts, nodeRoutes } from "./node-routes.ts";
import { plainProblemHandler, problemHandler } from "./problem.ts";

/** Everything that machines on the nodes' network may ask for over HTTP. */
export function nodeFacingApp(parts: BootRouteParts & NodeRouteParts): Express {
  const app = express();
  app.disable("x-powered-by");
  app.use(bootRoutes(parts));
  app.use("/boot", plainProblemHandler(parts.log));
  app.use(nodeRoutes(parts));
  app.use((request) => {
    throw new AppError("not-found", `there is no ${request.path}`);
  });
  app.use(problemHandler(parts.log));
  return app;
}
