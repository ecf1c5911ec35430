import type { ErrorRequestHandler } from "express";
import { AppError, httpStatusOf, messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { ProblemAnswer } from "../model/answers.ts";

/** Errors as JSON, for the command line and the agents. What is no AppError is a defect: logged, and said no more of. */
export function problemHandler(log: Log): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const known = asAppError(error);
    if (known === undefined)
      log.error(
        { error: error instanceof Error ? error.stack : String(error), path: request.path },
        "request failed",
      );
    const problem: ProblemAnswer =
      known === undefined
        ? {
            code: "internal",
            message: `internal error: ${messageOf(error)}`,
            faults: [],
            hint: "the head's log has the details",
          }
        : {
            code: known.code,
            message: known.message,
            faults: known.faults,
            ...(known.hint === undefined ? {} : { hint: known.hint }),
          };
    response.status(known === undefined ? 500 : httpStatusOf[known.code]).json(problem);
  };
}

/** Errors as plain text, which firmware and loaders may show. */
export function plainProblemHandler(log: Log): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) {
      next(error);
      return;
    }
    const known = asAppError(error);
    if (known === undefined)
      log.error(
        { error: error instanceof Error ? error.stack : String(error), path: request.path },
        "request failed",
      );
    response
      .status(known === undefined ? 500 : httpStatusOf[known.code])
      .type("text/plain")
      .send(`${messageOf(error)}\n`);
  };
}

/** express and its body parser mark their own refusals (bad JSON, too long) with a status. */
function asAppError(error: unknown): AppError | undefined {
  if (error instanceof AppError) return error;
  if (error instanceof Error && "status" in error && typeof error.status === "number" && error.status < 500) {
    return new AppError(error.status === 404 ? "not-found" : "invalid", error.message);
  }
  return undefined;
}
