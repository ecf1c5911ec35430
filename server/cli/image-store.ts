import { existsSync } from "node:fs";
import type { Run } from "./run.ts";

const defaultStore = "/var/lib/provision/images";

/** The configuration's image store; where nobody has written a configuration yet, the usual one. */
export function imageStoreOf(run: Run): string {
  const told = run.options.config !== undefined;
  return told || existsSync(run.configFile()) ? run.config().imageStore : defaultStore;
}
