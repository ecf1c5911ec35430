import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Express } from "express";
import { BootDesk } from "./boot/boot-desk.ts";
import { type BootUrls, bootUrls } from "./boot/boot-urls.ts";
import { Credentials } from "./boot/credentials.ts";
import { diskFaults } from "./boot/head-faults.ts";
import type { Config } from "./config/config.ts";
import { previewOptions } from "./dhcp/preview.ts";
import type { DhcpSite } from "./dhcp/site.ts";
import { eventAnswer, leaseAnswers, nodeAnswer } from "./http/answers.ts";
import { apiApp } from "./http/api-routes.ts";
import { createImageCatalog } from "./image/versions.ts";
import { BootStore } from "./inventory/boot-store.ts";
import { type Database, openDatabase } from "./inventory/database.ts";
import { Inventory } from "./inventory/inventory.ts";
import { LeaseStore } from "./inventory/lease-store.ts";
import { LiveDirectory } from "./inventory/live-directory.ts";
import { NodeStore } from "./inventory/node-store.ts";
import { SecretStore } from "./inventory/secret-store.ts";
import { systemClock } from "./lib/clock.ts";
import { AppError } from "./lib/errors.ts";
import type { Log } from "./lib/log.ts";
import { parseMac } from "./lib/mac.ts";
import type { PartStatus, RenderAnswer, StatusAnswer, WhyAnswer } from "./model/answers.ts";
import type { HeadFault } from "./model/head-fault.ts";
import type { ImageCatalog } from "./model/image.ts";
import { isNodeName, type ClusterNode, type Lease } from "./model/node.ts";
import { bundleAgent } from "./nodeconfig/agent-bundle.ts";
import { overlayFiles, type OverlayFile } from "./nodeconfig/overlay.ts";
import { generateSshHostKey } from "./nodeconfig/ssh-host-key.ts";
import { exportsOf, rootMount, sharedMount } from "./nfs/exports.ts";
import { createTemplates } from "./template/engine.ts";
import { diagnose } from "./tracker/diagnosis.ts";
import { Tracker } from "./tracker/tracker.ts";

const checkout = join(import.meta.dirname, "..");

/** What only a running head can tell. */
export type Running = {
  startedAtMs: number;
  parts: () => readonly PartStatus[];
  leases: () => readonly Lease[];
  /** What is wrong with the head's services that would stop a boot. */
  faults: () => readonly HeadFault[];
};

/** Everything of the head but its network services: what a command needs when no head runs. */
export type Core = {
  config: Config;
  database: Database;
  directory: LiveDirectory;
  inventory: Inventory;
  tracker: Tracker;
  credentials: Credentials;
  catalog: ImageCatalog;
  desk: BootDesk;
  urls: BootUrls;
  leaseStore: LeaseStore;
  bootStore: BootStore;
  overlay: (node: ClusterNode, token: string) => Promise<readonly OverlayFile[]>;
  /** The API (model/answers.ts), wherever it is served. */
  api: Express;
  /** Called once by a head that has started: from then on the API answers as a running head's. */
  run: (running: Running) => void;
  close: () => Promise<void>;
};

/** Opens the store for this process alone. @throws AppError when another process has it, or it is not sound. */
export async function openCore(config: Config, { log }: { log: Log }): Promise<Core> {
  const database = await openDatabase(config.stateDirectory);
  try {
    return await compose(config, database, log);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function compose(config: Config, database: Database, log: Log): Promise<Core> {
  const clock = systemClock;
  const { db } = database;
  const directory = new LiveDirectory();
  const catalog = createImageCatalog(config.imageStore);
  const [bootStore, leaseStore] = [new BootStore(db), new LeaseStore(db)];
  const tracker = new Tracker({ directory, store: bootStore, clock, log });
  const credentials = new Credentials(new SecretStore(db));
  const templatesOf = (room: string) =>
    createTemplates(join(checkout, "templates", room), `templates/${room}`);
  const urls = bootUrls(config.address, config.ports.http);
  const nfsExports = exportsOf(config);
  const desk = new BootDesk({
    directory,
    catalog,
    credentials,
    urls,
    clock,
    templates: templatesOf("ipxe"),
    record: tracker.record,
    image: config.image,
    kernelArguments: config.kernelArguments,
    rootArgument: (image) => {
      const { source, options } = rootMount(nfsExports, image.root);
      return `nfs4:${source}:${options}`;
    },
  });
  const inventory = new Inventory({
    store: new NodeStore(db),
    directory,
    isUp: (node) => tracker.stateOf(node).phase === "up",
    view: () => ({
      directory,
      site: config,
      hasImage: (reference) => catalog.find(reference) !== undefined,
      discovered: tracker.discovered(),
      nowMs: clock.nowMs(),
      makeMachineId: () => randomBytes(16).toString("hex"),
      makeSshHostKey: () => generateSshHostKey("provision"),
    }),
  });
  const nodeTemplates = templatesOf("node");
  let agent: Promise<Uint8Array> | undefined;
  const overlay = async (node: ClusterNode, token: string): Promise<readonly OverlayFile[]> => {
    agent ??= bundleAgent();
    return overlayFiles(nodeTemplates, {
      node,
      nodes: directory.nodes(),
      head: { name: headName(), address: config.address, domain: config.domain, url: urls.base },
      authorizedKeys: config.authorizedKeys,
      token,
      agentBundle: await agent,
      sharedMount: sharedMount(nfsExports),
      dns: config.dns,
    });
  };
  await inventory.load();
  await credentials.load();
  await tracker.load();
  const storedLeases = await leaseStore.loadLeases();

  let running: Running | undefined;
  const core = {
    config,
    database,
    directory,
    inventory,
    tracker,
    credentials,
    catalog,
    desk,
    urls,
    leaseStore,
    bootStore,
    overlay,
  };
  const leases = (): readonly Lease[] => running?.leases() ?? storedLeases;
  const api = apiApp({
    directory,
    inventory,
    log,
    events: {
      subscribe: (listener) =>
        tracker.subscribe((recorded) => listener(eventAnswer(recorded, directory), recorded.nodeId)),
    },
    status: async () => statusOf(core, running, leases().length),
    nodeAnswer: (node) => nodeAnswer(node, tracker, desk.planOf(node)),
    leases: () => leaseAnswers(leases(), directory, clock.nowMs()),
    discovered: () => tracker.discovered(),
    images: () => catalog.list(),
    newestEvents: async (limit, nodeIds) => {
      await tracker.flush();
      const events = await bootStore.newestEvents(limit, nodeIds);
      return events.map((recorded) => eventAnswer(recorded, directory));
    },
    why: (subject) => why(core, running, subject),
    render: (name) => render(core, name),
  });
  return {
    ...core,
    api,
    run: (value) => {
      running = value;
    },
    close: async () => {
      await tracker.flush();
      await database.close();
    },
  };
}

type Open = Omit<Core, "api" | "run" | "close">;

/** The head's own name, as nodes have it in /etc/hosts; a name that is no label there becomes `head`. */
function headName(): string {
  const name = hostname().split(".")[0]?.toLowerCase() ?? "";
  return isNodeName(name) ? name : "head";
}

function statusOf(core: Open, running: Running | undefined, leases: number): StatusAnswer {
  const { config, directory, tracker } = core;
  const nodes: Record<string, number> = {};
  for (const node of directory.nodes()) {
    const { phase } = tracker.stateOf(node);
    nodes[phase] = (nodes[phase] ?? 0) + 1;
  }
  return {
    version: "0.1.0",
    running: running !== undefined,
    pid: process.pid,
    startedAtMs: running?.startedAtMs ?? 0,
    config: config.file,
    interface: config.interface,
    address: config.address,
    subnet: `${config.subnet.base}/${config.subnet.bits}`,
    pool: `${config.pool.from}-${config.pool.to}`,
    parts: running?.parts() ?? [],
    nodes,
    unknownMachines: tracker.discovered().length,
    leases,
    images: core.catalog.list().length,
  };
}

async function why(core: Open, running: Running | undefined, subject: string): Promise<WhyAnswer> {
  const { directory, tracker } = core;
  const mac = parseMac(subject);
  const node = directory.byName(subject) ?? (mac === undefined ? undefined : directory.byMac(mac));
  if (node === undefined && mac === undefined) {
    throw new AppError("not-found", `there is no node ${subject}, and it is no MAC address`, {
      hint: "provision list-nodes",
    });
  }
  await tracker.flush();
  const boot = node === undefined ? tracker.lastBootOf(mac ?? ("" as never)) : tracker.lastBootOf(node);
  const events = boot === undefined ? [] : await core.bootStore.eventsOfBoot(boot.id);
  const state = node === undefined ? undefined : tracker.stateOf(node);
  const machine = tracker.discovered().find((seen) => seen.mac === mac);
  return diagnose({
    subject: node?.name ?? mac ?? subject,
    phase: state?.phase ?? (mac === undefined ? "new" : tracker.phaseOfMachine(mac)),
    phaseSinceMs: state?.phaseSinceMs ?? 0,
    ...(node === undefined ? {} : { node }),
    ...(machine === undefined ? {} : { machine }),
    ...(state?.lastHeartbeatMs === undefined ? {} : { lastHeartbeatMs: state.lastHeartbeatMs }),
    events: events.map((recorded) => recorded.event),
    headFaults: [
      ...(running?.faults() ?? []),
      ...(node === undefined ? [] : diskFaults(core.desk.planOf(node), core.config.loaderDirectory)),
    ],
    unknownMachines: tracker.discovered(),
    headRuns: running !== undefined,
    nowMs: systemClock.nowMs(),
  });
}

async function render(core: Open, name: string): Promise<RenderAnswer> {
  const { directory, desk, config, urls } = core;
  const node = directory.byName(name);
  if (node === undefined)
    throw new AppError("not-found", `there is no node ${name}`, { hint: "provision list-nodes" });
  const { reference, image } = desk.planOf(node);
  const files = await core.overlay(node, "0".repeat(64));
  return {
    node: node.name,
    image: image === undefined ? reference : `${image.name}@${image.version}`,
    dhcp: dhcpPreviews(node, { ...config, urls }),
    bootScript: desk.preview(node),
    kernelArguments: image === undefined ? "" : desk.argumentsOf(node, image).join(" "),
    files: files.map((file) => ({
      path: file.place === "root" ? file.path : `initrd:${file.path}`,
      mode: file.mode.toString(8).padStart(4, "0"),
      bytes: file.content.length,
      secret: file.secret,
      ...(file.secret || file.path.endsWith(".mjs")
        ? {}
        : { text: Buffer.from(file.content).toString("utf8") }),
    })),
  };
}

/** What DHCP gives to each client of a node: both kinds of PC firmware, iPXE, and the running system. */
function dhcpPreviews(node: ClusterNode, site: DhcpSite): RenderAnswer["dhcp"] {
  const [bios = [], uefi = []] = ["bios", "uefi-x64"].map((firmware) =>
    previewOptions(node, site, firmware).map(({ client, options }) => ({
      client: client === "firmware" ? `firmware (${firmware})` : client,
      options: options.map(({ code, name, value }) => ({
        name: code === undefined ? name : `${code} ${name}`,
        value,
      })),
    })),
  );
  return [...bios.slice(0, 1), ...uefi];
}
