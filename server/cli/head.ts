import type { Config } from "../config/config.ts";
import type { Log } from "../lib/log.ts";
import { HeadClient, headListens } from "./client.ts";

/**
 * Runs `ask` against the running head, or, where none runs, against the same API opened on the store in this process.
 * Never both: the store is locked by whoever has it open.
 */
export async function withHead<T>(
  config: Config,
  { signal, log }: { signal: AbortSignal; log: Log },
  ask: (head: HeadClient) => Promise<T>,
): Promise<T> {
  if (await headListens(config.socket)) return ask(new HeadClient(config.socket, signal));
  // Loaded only here: it brings the whole head, which most commands never need.
  const { openOffline } = await import("./offline.ts");
  const offline = await openOffline(config, log);
  try {
    return await ask(new HeadClient(offline.socket, signal));
  } finally {
    await offline.close();
  }
}
