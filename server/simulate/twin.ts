import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { Config } from "../config/config.ts";
import { parseConfig } from "../config/load.ts";
import { AppError } from "../lib/errors.ts";
import type { StatusAnswer } from "../model/answers.ts";
import { onWireOf } from "../model/network.ts";
import type { ImageCatalog } from "../model/image.ts";
import { headFailure, startHead, waitForHead } from "../system/head-process.ts";
import { namespaceExists, processesIn, removeNamespace } from "../system/namespace.ts";
import { endProcesses, identify, isRunning, type ProcessIdentity, run } from "../system/processes.ts";
import { defaultFileBytes, writeSyntheticImage, writeSyntheticLoaders } from "./synthetic-image.ts";
import { inventedConfig, type TwinPlaces, twinOfConfig } from "./twin-config.ts";
import { networkCommands } from "./twin-network.ts";

/**
 * A second head, in network namespaces of its own, that machines can be walked against without a trace on the first: the
 * same program and configuration, its own database.
 */
export type Twin = {
  config: Config;
  /** Of its API. */
  socket: string;
  process: ProcessIdentity;
  /** Namespace of the machines. */
  machines: string;
  /** What is not as on the rack, for people. */
  notes: readonly string[];
};

export type TwinOptions = {
  checkout: string;
  signal: AbortSignal;
  /** The head's own; undefined where this machine has none. */
  config: Config | undefined;
  store:
    | { kind: "snapshot"; take: () => Promise<string> }
    | { kind: "empty"; findImage: (store: string) => ImageCatalog["find"]; fileBytes?: number };
  status: (socket: string) => Promise<StatusAnswer>;
};

const prefix = "provision-simulate-";

/** How long its parts may take to stop. */
const patienceMs = 5000;

type Paths = { head: string; machines: string; directory: string };

function pathsOf(pid: number, config: Config | undefined): Paths {
  const name = `${prefix}${pid}`;
  return { head: name, machines: `${name}-n`, directory: path.join(placeOf(config), name) };
}

/** Beside the head's own state: on the same disk, so that what has to be on it costs the same. */
function placeOf(config: Config | undefined): string {
  return path.dirname(config?.stateDirectory ?? "/var/lib/provision");
}

/** Makes the twin and waits until it serves. Whatever comes of it, removeTwin takes all of it away. */
export async function makeTwin(options: TwinOptions): Promise<Twin> {
  const { config, checkout, signal } = options;
  await removeRemains(config);
  const paths = pathsOf(process.pid, config);
  mkdirSync(paths.directory, { mode: 0o700, recursive: true });
  const { text, notes } = await prepareStore(options, paths);
  const configFile = path.join(paths.directory, "provision.yaml");
  writeFileSync(configFile, text);
  const own = parseConfig(text, configFile);
  const { interface: device, address, networks, socket } = own;
  const [first, ...others] = onWireOf(networks[0], networks);
  const subnets = [first.subnet, ...others.map(({ subnet }) => subnet)] as const;
  for (const argv of networkCommands({ ...paths, device, address, subnets })) {
    signal.throwIfAborted();
    await run(argv);
  }
  const place = {
    name: "the twin of the head",
    checkout,
    namespace: paths.head,
    config: configFile,
    log: path.join(paths.directory, "head.log"),
  };
  const head = await startHead(place);
  await waitForHead(place, head, () => options.status(socket), signal);
  return { config: own, socket, process: head, machines: paths.machines, notes };
}

/** @throws AppError with the end of its log when the twin's head has ended */
export function checkAlive(twin: Twin): void {
  if (isRunning(twin.process)) return;
  throw headFailure(
    { log: path.join(path.dirname(twin.config.file), "head.log") },
    "the twin of the head ended",
  );
}

/** Configuration and database. */
async function prepareStore(
  { config, store }: TwinOptions,
  { directory }: Paths,
): Promise<{ text: string; notes: string[] }> {
  const stateDirectory = path.join(directory, "state");
  const places = {
    stateDirectory,
    socket: path.join(directory, "api.sock"),
  };
  if (store.kind === "snapshot") {
    if (config === undefined) {
      throw new AppError("not-found", "this machine has no head whose nodes could be simulated", {
        hint: "provision init, or machines that are made up: provision simulate --nodes 100",
      });
    }
    if (config.dhcp.mode === "proxy") {
      throw new AppError(
        "invalid",
        "this head runs beside another DHCP server: its twin would be alone, and no machine would get an address",
        { hint: "from a machine on the nodes' network: provision simulate --interface eth1 MAC" },
      );
    }
    mkdirSync(stateDirectory, { mode: 0o700 });
    const snapshot = await store.take();
    copyFileSync(snapshot, path.join(stateDirectory, "provision.db"));
    rmSync(snapshot);
    return { text: twinOfConfig(readFileSync(config.file, "utf8"), places), notes: [] };
  }
  return inventedStore(config, store, directory, places);
}

function inventedStore(
  config: Config | undefined,
  store: TwinOptions["store"] & { kind: "empty" },
  directory: string,
  places: TwinPlaces,
): { text: string; notes: string[] } {
  const notes: string[] = [];
  let image = config?.image ?? "debian-13";
  let imageStore = config?.imageStore ?? "/var/lib/provision/images";
  if (store.fileBytes !== undefined || store.findImage(imageStore)(image) === undefined) {
    const bytes = store.fileBytes ?? defaultFileBytes;
    if (store.fileBytes === undefined)
      notes.push(`there is no image ${image}: files of zeros stand in for it`);
    notes.push(`kernel and initrd are made up, ${bytes} bytes together`);
    imageStore = path.join(directory, "images");
    image = image.replace(/@.*/, "");
    writeSyntheticImage(imageStore, image, bytes);
  }
  let loaderDirectory = config?.loaderDirectory ?? "/usr/lib/ipxe";
  if (!["undionly.kpxe", "snponly.efi"].every((name) => existsSync(path.join(loaderDirectory, name)))) {
    notes.push(`boot loaders are missing in ${loaderDirectory}: files of zeros stand in for them`);
    loaderDirectory = path.join(directory, "loaders");
    writeSyntheticLoaders(loaderDirectory);
  }
  const sharedDirectory = path.join(directory, "shared");
  return {
    text: inventedConfig(config === undefined ? undefined : readFileSync(config.file, "utf8"), {
      ...places,
      sharedDirectory,
      imageStore,
      loaderDirectory,
      image,
    }),
    notes,
  };
}

/** Ends and removes all that a twin of this process consists of, from whatever there is of it. */
export async function removeTwin(config: Config | undefined): Promise<void> {
  await remove(pathsOf(process.pid, config));
}

async function remove(paths: Paths): Promise<void> {
  for (const namespace of [paths.machines, paths.head]) {
    if (!namespaceExists(namespace)) continue;
    await endProcesses(await processesIn(namespace), patienceMs);
    await removeNamespace(namespace);
  }
  rmSync(paths.directory, { recursive: true, force: true });
}

/** Of simulations that were killed. */
async function removeRemains(config: Config | undefined): Promise<void> {
  const names = ["/run/netns", placeOf(config)].flatMap((directory) =>
    existsSync(directory) ? readdirSync(directory) : [],
  );
  const pids = names.flatMap((name) => new RegExp(`^${prefix}(\\d+)(?:-n)?$`).exec(name)?.[1] ?? []);
  for (const pid of new Set(pids.map(Number))) {
    if (identify(pid) === undefined) await remove(pathsOf(pid, config));
  }
}
