import { AppError, errnoOf, exitStatusOf, messageOf } from "../lib/errors.ts";

/** Exit status after Ctrl-C: 128 and the signal's number, as shells have it. */
export const interruptedStatus = 130;

/** What is printed about an error: its message, each fault on a line, what to do. */
export function describeError(error: unknown): string {
  if (!(error instanceof AppError)) return `provision: ${messageOf(error)}`;
  const faults = error.faults.map(({ place, message }) => {
    const [first = "", ...rest] = message.split("\n");
    // A range with a caret below it stands by itself.
    if (place === "range" && rest.length > 0) return [first, ...rest].map((line) => `    ${line}`).join("\n");
    return [`  ${place}: ${first}`, ...rest.map((line) => `      ${line}`)].join("\n");
  });
  const hint = error.hint === undefined ? [] : [`try: ${error.hint}`];
  return [`provision: ${error.message}`, ...faults, ...hint].join("\n");
}

export function exitStatusOfError(error: unknown): number {
  return error instanceof AppError ? exitStatusOf[error.code] : 1;
}

/** A wrong use of the command line; `place` is the flag or argument, or empty. */
export function usageError(place: string, message: string, hint?: string): AppError {
  const options = hint === undefined ? {} : { hint };
  return new AppError("invalid", place === "" ? message : `${place}: ${message}`, options);
}

/** What a failed connection to the head's socket means; undefined: that no head is there. */
export function socketProblem(error: unknown, socket: string): AppError | undefined {
  switch (errnoOf(error)) {
    case "ENOENT":
    case "ECONNREFUSED": {
      return undefined;
    }
    case "EACCES":
    case "EPERM": {
      return new AppError(
        "forbidden",
        `only root and members of the group provision may talk to the head (${socket})`,
        {
          hint: `sudo, or join the group: sudo usermod -aG provision "$USER" (then log in again)`,
          cause: error,
        },
      );
    }
    default: {
      return new AppError("unavailable", `cannot reach the head at ${socket}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}
