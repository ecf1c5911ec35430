import { createInterface } from "node:readline";
import { systemClock } from "../../server/lib/clock.ts";
import { AppError, messageOf } from "../../server/lib/errors.ts";
import { silentLog } from "../../server/lib/log.ts";
import { type NfsServerOptions, createNfsServer } from "../../server/nfs/server.ts";

/**
 * A head that is nothing but its NFS server, to be run in a namespace and killed: the configuration is the first
 * argument, as JSON. Every line of standard input is a command, every answer a line of JSON.
 */
const config = JSON.parse(process.argv[2] ?? "{}") as NfsServerOptions["config"];
const server = createNfsServer({
  config,
  log: silentLog,
  clock: systemClock,
  searchPath: process.env["PATH"] ?? "",
});

function answer(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

try {
  await server.start();
  answer(server.status());
} catch (error) {
  answer({ error: messageOf(error), hint: error instanceof AppError ? error.hint : undefined });
  process.exit(1);
}
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "status") answer(server.status());
  if (line === "check") answer(await server.checkExports());
  if (line === "stop") {
    await server.stop();
    answer(server.status());
    break;
  }
}
process.exit(0);
