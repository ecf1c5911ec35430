import { schedule, type ScheduledTask } from "node-cron";
import type { Config } from "./config/config.ts";
import { checkMachine, readMachineNetwork } from "./config/machine.ts";
import { type Core, openCore } from "./core.ts";
import { databaseFile } from "./inventory/database.ts";
import { createProxyServer } from "./dhcp/proxy-server.ts";
import { createDhcpServer } from "./dhcp/server.ts";
import { defaultNodeFacingLimits, nodeFacing } from "./http/node-app.ts";
import { createDeviceHttpServer, createSocketHttpServer } from "./http/server.ts";
import { systemClock } from "./lib/clock.ts";
import { AppError, messageOf } from "./lib/errors.ts";
import type { Log } from "./lib/log.ts";
import type { PartStatus } from "./model/answers.ts";
import type { HeadFault } from "./model/head-fault.ts";
import { createNfsServer, type NfsServer } from "./nfs/server.ts";
import { overlayArchive } from "./nodeconfig/overlay.ts";
import { fileInMemory } from "./tftp/served-file.ts";
import { createTftpServer } from "./tftp/server.ts";
import { openConfined } from "./boot/confined-file.ts";
import { createTftpFiles } from "./boot/tftp-files.ts";

/** A long-lived part of the head: started in order, stopped in reverse. */
type Part = {
  name: PartStatus["name"] | "api" | "tracker";
  service: { start: () => Promise<void>; stop: () => Promise<void> };
};

export type Head = { start: () => Promise<void>; stop: () => Promise<void> };

/** The whole head. Nothing is opened before everything that can be checked has been. */
export async function createHead(
  config: Config,
  { log, searchPath }: { log: Log; searchPath: string },
): Promise<Head> {
  checkMachine(config, readMachineNetwork());
  const core = await openCore(config, { log });
  const clock = systemClock;
  const { tracker, directory, desk, urls } = core;
  const nfs = createNfsServer({ config, log, clock, searchPath });
  const { mode } = config.dhcp;
  const dhcpParts = { urls, directory, record: tracker.record, log, clock };
  const dhcp =
    mode === "proxy" ? undefined : createDhcpServer({ ...dhcpParts, config, store: core.leaseStore });
  const proxyDhcp = createProxyServer({ ...dhcpParts, config: { ...config, mode } });
  const tftpFiles = createTftpFiles({
    desk,
    directory,
    clock,
    record: tracker.record,
    openLoader: async (path) =>
      (await openConfined(config.loaderDirectory, path)) ??
      (config.raspberryPiDirectory === undefined
        ? undefined
        : await openConfined(config.raspberryPiDirectory, path)),
    fromText: (text) => fileInMemory(Buffer.from(text)),
  });
  const tftp = createTftpServer({
    device: config.interface,
    address: config.address,
    port: config.ports.tftp,
    open: tftpFiles.open,
    onFetched: ({ path, bytes, durationMs, outcome }) => {
      if (outcome === "done") tftpFiles.fetched(path, bytes, durationMs);
    },
    log,
    clock: { nowMs: () => performance.now() },
  });
  const nodes = nodeFacing(
    {
      directory,
      desk,
      tracker,
      clock,
      log,
      credentials: core.credentials,
      record: tracker.record,
      loaderDirectory: config.loaderDirectory,
      overlay: async (node, token) => overlayArchive(await core.overlay(node, token)),
    },
    { ...defaultNodeFacingLimits, cacheBytes: config.boot.cacheMebibytes * 1024 * 1024 },
  );
  const { interface: device, address, ports } = config;
  const places = ["lo", device].map((each) => ({ device: each, address, port: ports.http }));
  const http = createDeviceHttpServer(places, nodes.listener, nodes.watch);
  const api = createSocketHttpServer(config.socket, core.api);
  const schedules = createSchedules(core, log);
  // The API first: whoever looks sees the head coming up. DHCP last: a machine that gets an address finds the rest there.
  const parts: Part[] = [
    { name: "api", service: api },
    { name: "tracker", service: { start: async () => tracker.start(), stop: () => tracker.stop() } },
    { name: "nfs", service: nfs },
    { name: "http", service: http },
    { name: "tftp", service: tftp },
    { name: "proxy-dhcp", service: proxyDhcp },
    ...(dhcp === undefined ? [] : [{ name: "dhcp" as const, service: dhcp }]),
    { name: "schedules", service: schedules },
  ];
  const states = new Map<string, PartStatus["state"]>();
  core.run({
    startedAtMs: clock.nowMs(),
    leases: () => dhcp?.leases() ?? [],
    faults: () => nfsFaults(nfs),
    parts: () => {
      const counters = {
        ...(dhcp === undefined ? {} : { dhcp: dhcp.counters() }),
        proxyDhcp: proxyDhcp.counters(),
        tftp: flatCounters(tftp.counters()),
        http: nodes.counters(),
      };
      return partStatuses(config, states, counters, nfs);
    },
  });
  return {
    start: () => startAll(parts, states, core, log),
    stop: async () => {
      await stopAll(parts, states, log);
      await core.close();
    },
  };
}

/** Once a night: a sound copy of the database. Once at the start, too. */
function createSchedules(core: Core, log: Log): { start: () => Promise<void>; stop: () => Promise<void> } {
  let task: ScheduledTask | undefined;
  const keepHouse = async (): Promise<void> => {
    try {
      await core.database.backup(systemClock.nowMs());
    } catch (error) {
      log.error({ error: messageOf(error) }, "the database could not be backed up");
    }
  };
  return {
    start: async () => {
      void keepHouse(); // closing the database waits for it
      task = schedule("17 3 * * *", keepHouse);
    },
    stop: async () => {
      await task?.destroy();
    },
  };
}

async function startAll(
  parts: readonly Part[],
  states: Map<string, PartStatus["state"]>,
  core: Core,
  log: Log,
): Promise<void> {
  const started: Part[] = [];
  for (const part of parts) {
    try {
      states.set(part.name, "starting");
      await part.service.start();
      states.set(part.name, "running");
      started.push(part);
    } catch (error) {
      states.set(part.name, "failed");
      await stopAll(started, states, log);
      await core.close();
      throw error instanceof AppError
        ? new AppError(error.code, `${part.name}: ${error.message}`, {
            faults: error.faults,
            cause: error,
            ...(error.hint === undefined ? {} : { hint: error.hint }),
          })
        : error;
    }
  }
}

async function stopAll(
  parts: readonly Part[],
  states: Map<string, PartStatus["state"]>,
  log: Log,
): Promise<void> {
  for (const part of parts.toReversed()) {
    try {
      await part.service.stop();
    } catch (error) {
      log.error({ part: part.name, error: messageOf(error) }, "could not be stopped in order");
    }
    states.set(part.name, "stopped");
  }
}

function partStatuses(
  config: Config,
  states: ReadonlyMap<string, PartStatus["state"]>,
  counters: Record<"proxyDhcp" | "tftp" | "http", PartStatus["counters"]> & { dhcp?: PartStatus["counters"] },
  nfs: NfsServer,
): PartStatus[] {
  const state = (name: PartStatus["name"]): PartStatus["state"] => states.get(name) ?? "stopped";
  const at = (port: number): string => `${config.address}:${port} on ${config.interface}`;
  const { ports } = config;
  const server = nfs.status();
  const restarts =
    server.restarts === 0 ? "" : `, restarted ${server.restarts} time${server.restarts === 1 ? "" : "s"}`;
  const nfsDetail = `${server.backend ?? "no server"} at ${at(ports.nfs)}${restarts}${server.message === undefined ? "" : `: ${server.message}`}`;
  return [
    ...dhcpStatuses(config, counters, state, at),
    { name: "tftp", state: state("tftp"), detail: at(ports.tftp), counters: counters.tftp },
    { name: "http", state: state("http"), detail: at(ports.http), counters: counters.http },
    { name: "nfs", state: server.state, detail: nfsDetail, counters: { restarts: server.restarts } },
    { name: "database", state: "running", detail: databaseFile(config.stateDirectory), counters: {} },
    { name: "schedules", state: state("schedules"), detail: "nightly backup of the database", counters: {} },
  ];
}

/** The server of addresses, where the head is one, and that of boot information alone. */
function dhcpStatuses(
  { ports, dhcp: { mode } }: Config,
  counters: { dhcp?: PartStatus["counters"]; proxyDhcp: PartStatus["counters"] },
  state: (name: PartStatus["name"]) => PartStatus["state"],
  at: (port: number) => string,
): PartStatus[] {
  const detail = at(ports.bootServer) + (mode === "proxy" ? `, and port ${ports.dhcp}: no addresses` : "");
  return [
    ...(counters.dhcp === undefined
      ? []
      : [{ name: "dhcp" as const, state: state("dhcp"), detail: at(ports.dhcp), counters: counters.dhcp }]),
    { name: "proxy-dhcp", state: state("proxy-dhcp"), detail, counters: counters.proxyDhcp },
  ];
}

/** `{ dropped: { truncated: 2 } }` as `{ "dropped.truncated": 2 }`. */
function flatCounters(
  counters: Readonly<Record<string, number | Readonly<Record<string, number>>>>,
): PartStatus["counters"] {
  const flat = Object.entries(counters).flatMap(([name, value]) =>
    typeof value === "number"
      ? [[name, value]]
      : Object.entries(value).map(([inner, count]) => [`${name}.${inner}`, count]),
  );
  return Object.fromEntries(flat) as PartStatus["counters"];
}

function nfsFaults(nfs: NfsServer): HeadFault[] {
  const { state, message } = nfs.status();
  if (state === "running") return [];
  return [
    {
      stops: "root",
      message: `the NFS server is ${state}${message === undefined ? "" : `: ${message}`}`,
      fix: "provision status",
    },
  ];
}
