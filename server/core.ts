import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Express } from "express";
import { nodeAnswers, render, statusOf, why } from "./answers.ts";
import { Admission, defaultTurnLimits } from "./boot/admission.ts";
import { BootDesk } from "./boot/boot-desk.ts";
import { type BootUrls, bootUrls } from "./boot/boot-urls.ts";
import { Credentials } from "./boot/credentials.ts";
import type { Config } from "./config/config.ts";
import { nameServersOf } from "./dhcp/option-settings.ts";
import { eventAnswer, leaseAnswers, machineAnswer } from "./http/answers.ts";
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
import { messageOf } from "./lib/errors.ts";
import type { Log } from "./lib/log.ts";
import type { PartStatus } from "./model/answers.ts";
import type { HeadFault } from "./model/head-fault.ts";
import type { LoaderKind } from "./model/arch.ts";
import { inherited } from "./model/inherited.ts";
import type { ImageCatalog } from "./model/image.ts";
import { isNodeName, type ClusterNode, type Lease } from "./model/node.ts";
import { bundleAgent } from "./nodeconfig/agent-bundle.ts";
import { ClusterFiles } from "./nodeconfig/cluster-files.ts";
import { overlayFiles, type OverlayFile } from "./nodeconfig/overlay.ts";
import { generateSshHostKey } from "./nodeconfig/ssh-host-key.ts";
import { exportsOf, rootMount, sharedMount } from "./nfs/exports.ts";
import { createTemplates } from "./template/engine.ts";
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

/** The parts of a core that answers are made of. */
export type OpenCore = Omit<Core, "api" | "run" | "close">;

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
  /** The same by IPv6, where the site has it. */
  urls6: BootUrls | undefined;
  /** Which loader a node is given, or a machine that is none. */
  loaderFor: (node: ClusterNode | undefined) => LoaderKind;
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
  const directory = new LiveDirectory();
  const catalog = createImageCatalog(config.imageStore);
  const bootStore = new BootStore(database, { bootsKept: () => bootsKept(directory.count()) });
  const leaseStore = new LeaseStore(database);
  const nodeStore = new NodeStore(database);
  const tracker = new Tracker({ directory, store: bootStore, clock, log });
  const credentials = new Credentials(new SecretStore(database), (error) =>
    log.error({ error: messageOf(error) }, "the numbers of boots could not be written, trying again"),
  );
  const templatesOf = (room: string) =>
    createTemplates(join(checkout, "templates", room), `templates/${room}`);
  const urls = bootUrls(config.address, config.ports.http);
  const urls6 = config.ipv6 === undefined ? undefined : bootUrls(config.ipv6.address, config.ports.http);
  const nfsExports = exportsOf(config);
  const desk = new BootDesk({
    directory,
    nodeSeenAt: (mac) => tracker.nodeSeenAt(mac),
    catalog,
    credentials,
    urls: { ipv4: urls, ipv6: urls6 },
    clock,
    templates: {
      ipxe: templatesOf("ipxe"),
      grub: templatesOf("grub"),
      pxelinux: templatesOf("pxelinux"),
    },
    record: tracker.record,
    admission: new Admission({ ...defaultTurnLimits, machines: config.boot.concurrent }),
    elapsedMs: () => performance.now(),
    image: config.image,
    kernelArguments: config.kernelArguments,
    rootArgument: (image) => {
      const { source, options } = rootMount(nfsExports, image.root);
      return `nfs4:${source}:${options}`;
    },
  });
  const inventory = new Inventory({
    store: nodeStore,
    directory,
    isUp: (node) => tracker.stateOf(node).phase === "up",
    view: () => ({
      directory,
      site: config,
      hasImage: (reference) => catalog.find(reference) !== undefined,
      get discovered() {
        return tracker.discovered();
      },
      nowMs: clock.nowMs(),
      makeMachineId: () => randomBytes(16).toString("hex"),
      makeSshHostKey: () => generateSshHostKey("provision"),
    }),
  });
  const nodeTemplates = templatesOf("node");
  const clusterFiles = new ClusterFiles();
  let agent: Promise<Uint8Array> | undefined;
  const overlay = async (node: ClusterNode, token: string): Promise<readonly OverlayFile[]> => {
    agent ??= bundleAgent();
    const input = {
      node,
      sshHostKey: await nodeStore.sshHostKey(node.id),
      nodes: directory.nodes(),
      head: { name: headName(), address: config.address, domain: config.domain, url: urls.base },
      authorizedKeys: config.authorizedKeys,
      token,
      agentBundle: await agent,
      sharedMount: sharedMount(nfsExports),
      dns: nameServersOf(node, config, directory),
    };
    return overlayFiles(nodeTemplates, input, clusterFiles);
  };
  await inventory.load();
  await credentials.load();
  await tracker.load();

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
    urls6,
    loaderFor: (node: ClusterNode | undefined) => inherited("loader", node, directory, config).value,
    leaseStore,
    bootStore,
    overlay,
  };
  const leases = async (): Promise<readonly Lease[]> => running?.leases() ?? (await leaseStore.loadLeases());
  const api = apiApp({
    directory,
    inventory,
    log,
    events: {
      subscribe: (listener) =>
        tracker.subscribe((recorded) => listener(eventAnswer(recorded, directory), recorded.nodeId)),
    },
    status: async () => statusOf(core, running, (await leases()).length),
    nodeAnswers: (nodes) => nodeAnswers(core, nodes),
    leases,
    leaseAnswers: (some) => leaseAnswers(some, directory, clock.nowMs()),
    discovered: () => tracker.discovered().map(machineAnswer),
    images: () => catalog.list(),
    newestEvents: async (limit, nodeIds) => {
      await tracker.flush();
      const events = await bootStore.newestEvents(limit, nodeIds);
      return events.map((recorded) => eventAnswer(recorded, directory));
    },
    why: (subject) => why(core, running, subject),
    render: (name) => render(core, name),
    snapshot: async () => ({
      file: await database.snapshot(`snapshot-${randomBytes(8).toString("hex")}.db`),
    }),
  });
  return {
    ...core,
    api,
    run: (value) => {
      running = value;
    },
    close: async () => {
      await tracker.flush();
      await credentials.stop();
      await database.close();
    },
  };
}

/** Boots kept of each machine: twenty, in a large cluster fewer, or the record would outgrow everything else. */
function bootsKept(nodes: number): number {
  return Math.max(3, Math.min(20, Math.floor(100_000 / Math.max(1, nodes))));
}

/** The head's own name, as nodes have it in /etc/hosts; a name that is no label there becomes `head`. */
function headName(): string {
  const name = hostname().split(".")[0]?.toLowerCase() ?? "";
  return isNodeName(name) ? name : "head";
}
