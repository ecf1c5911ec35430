import { uptime } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { loadConfig } from "./config.ts";
import { connectHead } from "./head-client.ts";
import { missingMounts } from "./mounts.ts";
import { Session } from "./session.ts";
import { machineStops } from "./shutdown.ts";
import { readText, System } from "./system.ts";

// agent.mjs [CONFIG [STATE-DIRECTORY]]: the defaults are a node's.
const [configFile = "/etc/provision/agent.json", stateDirectory = "/run/provision"] = process.argv.slice(2);

/** Longer than a healthy head ever takes, shorter than anybody waits for a machine to go down. */
const farewellLimitMs = 1000;

const mountCheckMs = 10_000;

/** One plain line per event; the journal adds the time. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function run(): Promise<void> {
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort());
  process.once("SIGINT", () => stop.abort());
  const config = loadConfig(configFile);
  say(`agent of ${config.node} reports to ${config.url}`);

  const head = connectHead(config.url);
  const session = new Session(
    {
      config,
      credentialFile: join(stateDirectory, "credential"),
      head,
      machine: new System(),
      clock: {
        nowMs: () => performance.now(),
        uptimeSeconds: uptime,
        sleep: (ms, signal) => sleep(ms, undefined, { signal }),
        chance: Math.random,
      },
      say,
    },
    stop.signal,
  );
  try {
    await Promise.all([session.run(), watchMounts(stop.signal)]);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }

  if (await machineStops(say)) await session.sayStopping(farewellLimitMs);
  head.close();
}

/** A node comes up without its network file systems; somebody who wonders finds it said here. */
async function watchMounts(signal: AbortSignal): Promise<void> {
  let before = "";
  for (;;) {
    await sleep(mountCheckMs, undefined, { signal });
    const missing = missingMounts(readText("/etc/fstab") ?? "", readText("/proc/self/mounts") ?? "").join(
      " ",
    );
    if (missing !== before)
      say(missing === "" ? "all network file systems are mounted" : `not mounted: ${missing}`);
    before = missing;
  }
}

// An agent that has stopped exits by itself; it must not wait for a connection to time out.
run().then(
  () => process.exit(0),
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);
