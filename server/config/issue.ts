/** A fault at a key path of the configuration: `["networks", "0", "pool"]`. */
export type Issue = { path: readonly string[]; message: string };
