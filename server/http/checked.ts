import type { z } from "zod";
import { AppError } from "../lib/errors.ts";

/** The body as the schema has it. @throws AppError("invalid") with every fault and its key path. */
export function checked<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => ({
    place: issue.path.join(".") || "body",
    message: issue.message,
  }));
  throw new AppError("invalid", "the request is malformed", { faults });
}
