import process from "node:process";
import { pino } from "pino";
import { createHead } from "./app.ts";
import { asProxy } from "./config/config.ts";
import { loadConfig } from "./config/load.ts";
import type { Log } from "./lib/log.ts";
import { putHelperThreadsLast } from "./system/helper-threads.ts";

/**
 * The head as a process: starts it, waits for SIGTERM, SIGINT or SIGHUP, stops it in order. A second signal does not
 * hurry it: what is being written is finished. `proxy`: beside another DHCP server, whatever the configuration says.
 * @returns the exit status. @throws AppError when it cannot start
 */
export async function serve(configFile: string, { proxy }: { proxy: boolean }): Promise<number> {
  const log: Log = pino(
    { level: process.env["PROVISION_LOG"] ?? "info" },
    pino.destination({ fd: 1, sync: true }),
  );
  putHelperThreadsLast();
  const stopped = Promise.withResolvers<NodeJS.Signals>();
  const signals: NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGHUP"];
  for (const signal of signals) process.on(signal, () => stopped.resolve(signal));
  const loaded = loadConfig(configFile);
  const config = proxy ? asProxy(loaded) : loaded;
  const head = await createHead(config, { log, searchPath: process.env["PATH"] ?? "" });
  await head.start();
  log.info(
    {
      config: config.file,
      interface: config.interface,
      address: config.address,
      dhcp: config.dhcp.mode,
      pid: process.pid,
    },
    "the head serves",
  );
  const signal = await stopped.promise;
  log.info({ signal }, "the head stops");
  await head.stop();
  return 0;
}
