import type { ErrorRequestHandler, Response } from "express";
import { AppError, httpStatusOf, messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { ProblemAnswer } from "../model/answers.ts";

/** Errors as JSON, for the command line and the agents. */
export function problemHandler(log: Log): ErrorRequestHandler {
  return handler(log, (response, error) => {
    const { code, message, faults, hint } = error;
    const problem: ProblemAnswer = { code, message, faults, ...(hint === undefined ? {} : { hint }) };
    response.json(problem);
  });
}

function handler(log: Log, send: (response: Response, error: AppError) => void): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const known = asAppError(error);
    if (known === undefined) {
      const stack = error instanceof Error ? error.stack : String(error);
      log.error({ error: stack, path: request.path }, "request failed");
    }
    const told =
      known ??
      new AppError("internal", `internal error: ${messageOf(error)}`, {
        hint: "the head's log has the details",
      });
    send(response.status(httpStatusOf[told.code]), told);
  };
}

/** What is no AppError is a defect, but for express's and its body parser's own refusals (bad JSON, too long). */
function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  if (error instanceof Error && "status" in error && typeof error.status === "number" && error.status < 500) {
    return new AppError(error.status === 404 ? "not-found" : "invalid", error.message);
  }
  return undefined;
}
