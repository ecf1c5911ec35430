import { basename, dirname, join } from "node:path";
import { schedule, type ScheduledTask } from "node-cron";
import type { Config } from "./config/config.ts";
import { checkMachine, readMachineNetwork } from "./config/machine.ts";
import { type Core, openCore } from "./core.ts";
import { databaseFile } from "./inventory/database.ts";
import { createProxyServer } from "./dhcp/proxy-server.ts";
import { createDhcpServer } from "./dhcp/server.ts";
import { createDhcp6Server, type Dhcp6ServerOptions } from "./dhcp6/server.ts";
import { defaultNodeFacingLimits, nodeFacing } from "./http/node-app.ts";
import { createDeviceHttpServer, createSocketHttpServer } from "./http/server.ts";
import { systemClock } from "./lib/clock.ts";
import { messageOf } from "./lib/errors.ts";
import type { Log } from "./lib/log.ts";
import type { HeadFault } from "./model/head-fault.ts";
import { createNfsServer, type NfsServer } from "./nfs/server.ts";
import { debianLoaderDirectories, placesOfLoader } from "./model/arch.ts";
import type { ClusterNode } from "./model/node.ts";
import { flatCounters, type Part, Parts, sumCounters } from "./parts.ts";
import { overlayArchive } from "./nodeconfig/overlay.ts";
import { fileInMemory } from "./tftp/served-file.ts";
import { shareOpens } from "./tftp/shared-open.ts";
import { createTftpServer, type TftpServer } from "./tftp/server.ts";
import { makeGrubImages } from "./boot/grub-image.ts";
import { familyOf } from "./boot/boot-urls.ts";
import { openConfined } from "./boot/confined-file.ts";
import { type Ip, prefixOf } from "./lib/ipv6.ts";
import type { DeviceAddress } from "./net/device-socket.ts";
import { createTftpFiles } from "./boot/tftp-files.ts";

export type Head = { start: () => Promise<void>; stop: () => Promise<void> };

/** The whole head. Nothing is opened before everything that can be checked has been. */
export async function createHead(
  config: Config,
  { log, searchPath }: { log: Log; searchPath: string },
): Promise<Head> {
  const network = readMachineNetwork();
  checkMachine(config, network);
  const core = await openCore(config, { log });
  const clock = systemClock;
  const { tracker, directory, desk, urls, loaderFor } = core;
  const site = { ...config, loaderFor };
  const nfs = createNfsServer({ config, log, clock, searchPath });
  const { mode } = config.dhcp;
  const dhcpParts = { urls, directory, record: tracker.record, log, clock };
  const dhcp =
    mode === "proxy" ? undefined : createDhcpServer({ ...dhcpParts, config: site, store: core.leaseStore });
  const proxyDhcp = createProxyServer({ ...dhcpParts, config: { ...site, mode } });
  const dhcp6 = createDhcp6Server({
    device: config.interface,
    mac: network.macs[config.interface],
    site: ipv6Site(config, core),
    directory,
    record: tracker.record,
    log,
    clock,
  });
  const made = join(config.stateDirectory, "loaders");
  const loaderPlaces = [config.loaderDirectory, made, ...debianLoaderDirectories];
  const tftpPlaces = [...loaderPlaces, config.raspberryPiDirectory ?? []].flat();
  const overlay = async (node: ClusterNode, token: string): Promise<Uint8Array> =>
    overlayArchive(await core.overlay(node, token));
  const tftpFiles = createTftpFiles({
    desk,
    directory,
    clock,
    record: tracker.record,
    credentials: core.credentials,
    catalog: core.catalog,
    openLoader: shareOpens((path) => openFirst(tftpPlaces, path), clock),
    openImageFile: shareOpens((path) => openConfined(dirname(path), basename(path)), clock),
    fromBytes: fileInMemory,
    overlay,
  });
  const tftpAddresses = [config.address, config.ipv6?.address ?? []].flat();
  const tftpAt = (address: Ip): TftpServer =>
    createTftpServer({
      device: config.interface,
      address,
      port: config.ports.tftp,
      singlePort: config.tftp.singlePort,
      open: (path) => tftpFiles.open(path, familyOf(address)),
      onFetched: ({ path, bytes, durationMs, outcome }) => {
        if (outcome === "done") tftpFiles.fetched(path, bytes, durationMs);
      },
      log,
      clock: { nowMs: () => performance.now() },
    });
  const tftps = tftpAddresses.map(tftpAt);
  const nodes = nodeFacing(
    {
      directory,
      desk,
      tracker,
      clock,
      log,
      credentials: core.credentials,
      catalog: core.catalog,
      record: tracker.record,
      loaderPlaces,
      overlay,
    },
    { ...defaultNodeFacingLimits, cacheBytes: config.boot.cacheMebibytes * 1024 * 1024 },
  );
  const { interface: device, address, ports } = config;
  const places: DeviceAddress[] = ["lo", device].map((each) => ({ device: each, address, port: ports.http }));
  if (config.ipv6 !== undefined) places.push({ device, address: config.ipv6.address, port: ports.http });
  const http = createDeviceHttpServer(places, nodes.listener, nodes.watch);
  const api = createSocketHttpServer(config.socket, core.api);
  const schedules = createSchedules(core, log);
  const at = (port: number): string => onPort(address, port, device);
  const proxyDetail =
    at(ports.bootServer) + (mode === "proxy" ? `, and port ${ports.dhcp}: no addresses` : "");
  // The API first: whoever looks sees the head coming up. DHCP last: a machine that gets an address finds the rest there.
  const parts = new Parts(
    [
      { name: "api", ...api },
      { name: "tracker", start: async () => tracker.start(), stop: () => tracker.stop() },
      { name: "database", ...opened, status: () => ({ detail: databaseFile(config.stateDirectory) }) },
      { name: "schedules", ...schedules, status: () => ({ detail: "nightly backup of the database" }) },
      { name: "nfs", ...nfs, status: () => nfsStatus(nfs, at(ports.nfs)) },
      { name: "loaders", start: () => makeGrubImages(made, log), stop: async () => {} },
      { name: "http", ...http, status: () => ({ detail: at(ports.http), counters: nodes.counters() }) },
      {
        name: "tftp",
        start: async () => void (await Promise.all(tftps.map((each) => each.start()))),
        stop: async () => void (await Promise.all(tftps.map((each) => each.stop()))),
        status: () => ({
          detail: tftpAddresses.map((address) => onPort(address, ports.tftp, device)).join(", "),
          counters: sumCounters(tftps.map((each) => flatCounters(each.counters()))),
        }),
      },
      {
        name: "dhcp6",
        ...dhcp6,
        status: () => ({ detail: ipv6Detail(config), counters: dhcp6.counters() }),
      },
      {
        name: "proxy-dhcp",
        ...proxyDhcp,
        status: () => ({ detail: proxyDetail, counters: proxyDhcp.counters() }),
      },
      ...(dhcp === undefined
        ? []
        : [
            {
              name: "dhcp" as const,
              ...dhcp,
              status: () => ({ detail: at(ports.dhcp), counters: dhcp.counters() }),
            },
          ]),
    ],
    log,
  );
  core.run({
    startedAtMs: clock.nowMs(),
    leases: () => dhcp?.leases() ?? [],
    faults: () => nfsFaults(nfs),
    parts: () => parts.statuses(),
  });
  return {
    start: () => parts.start(core),
    stop: async () => {
      await parts.stop();
      await core.close();
    },
  };
}

function onPort(address: Ip, port: number, device: string): string {
  return `${address.includes(":") ? `[${address}]` : address}:${port} on ${device}`;
}

/** The database is open before there are parts and closed after them. */
const opened = { start: async () => {}, stop: async () => {} };

function ipv6Site(config: Config, { loaderFor, urls6: urls }: Core): Dhcp6ServerOptions["site"] {
  const { ipv6, networks, domain, unknownMachines } = config;
  if (ipv6 === undefined || urls === undefined) return undefined;
  const { address, dns } = ipv6;
  // As long as the addresses of the interface's own IPv4 network.
  const [{ leaseSeconds }] = networks;
  return { prefix: prefixOf(address), leaseSeconds, domain, dns, unknownMachines, loaderFor, urls };
}

/** A loader, from the first place that has it. */
async function openFirst(directories: readonly string[], path: string): ReturnType<typeof openConfined> {
  for (const { directory, file } of placesOfLoader(path, directories)) {
    const opened = await openConfined(directory, file);
    if (opened !== undefined) return opened;
  }
  return undefined;
}

function ipv6Detail({ ipv6, interface: device }: Config): string {
  return ipv6 === undefined
    ? `no IPv6 network; tells nodes on ${device} that there is no router`
    : `[${ipv6.address}]:547 on ${device}`;
}

/** After the start, when the rack that has just got its head back has settled, in milliseconds. */
const firstBackupMs = 60_000;

/** Once a night: a sound copy of the database. Once after the start, too. */
function createSchedules(core: Core, log: Log): { start: () => Promise<void>; stop: () => Promise<void> } {
  let task: ScheduledTask | undefined;
  let first: NodeJS.Timeout | undefined;
  const keepHouse = async (): Promise<void> => {
    try {
      await core.database.backup(systemClock.nowMs());
    } catch (error) {
      log.error({ error: messageOf(error) }, "the database could not be backed up");
    }
  };
  return {
    start: async () => {
      first = setTimeout(() => void keepHouse(), firstBackupMs);
      task = schedule("17 3 * * *", keepHouse);
    },
    stop: async () => {
      clearTimeout(first);
      await task?.destroy(); // closing the database waits for a backup that is being made
    },
  };
}

function nfsStatus(nfs: NfsServer, place: string): ReturnType<NonNullable<Part["status"]>> {
  const { state, restarts, backend, message } = nfs.status();
  const again = restarts === 0 ? "" : `, restarted ${restarts} time${restarts === 1 ? "" : "s"}`;
  const detail = `${backend ?? "no server"} at ${place}${again}${message === undefined ? "" : `: ${message}`}`;
  return { state, detail, counters: { restarts } };
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
