import { createInterface } from "node:readline";
import path from "node:path";
import { execa } from "execa";
import type { Config } from "../config/config.ts";
import { AppError } from "../lib/errors.ts";
import { parseMac } from "../lib/mac.ts";
import type { AddNodesRequest, EventAnswer, NodeAnswer, StatusAnswer, WhyAnswer } from "../model/answers.ts";
import type { ImageCatalog } from "../model/image.ts";
import { foldNames } from "../model/node-range.ts";
import { inNamespace } from "../system/namespace.ts";
import { readProcessUse, resetPeak } from "./process-cost.ts";
import type { WalkFirmware } from "./effects.ts";
import { type ReportInput, reportOf, type SimulationReport } from "./report.ts";
import { type Selection, selectNodes, selectPorts } from "./selection.ts";
import type { WalkLine, WalkOutcome, WalkSpec } from "./spec.ts";
import { checkAlive, makeTwin, removeTwin } from "./twin.ts";
import { inventedFirst, inventedLimit } from "./twin-config.ts";
import { machinesDevice } from "./twin-network.ts";

export type SimulateOptions = {
  /** Which machines: so many that are made up, nodes of the inventory by a range, or ports by their MACs. */
  machines:
    | { kind: "invented"; count: number; fileBytes?: number }
    | { kind: "range"; range: string }
    | { kind: "ports"; macs: readonly string[] };
  /** One for each machine in turn, over and over. */
  firmware: readonly WalkFirmware[];
  /** Walk against the head that is reached by this interface, and not against a twin. */
  device?: string;
  walk: Omit<WalkSpec, "device" | "machines" | "ports">;
};

/** What of a head's API a simulation needs. */
export type SimulatedHead = {
  status: () => Promise<StatusAnswer>;
  nodes: (range?: string) => Promise<{ nodes: readonly NodeAnswer[] }>;
  addNodes: (request: AddNodesRequest) => Promise<unknown>;
  events: (range: string | undefined, limit: number) => Promise<{ events: readonly EventAnswer[] }>;
  why: (subject: string) => Promise<WhyAnswer>;
};

export type SimulateContext = {
  checkout: string;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  config: Config | undefined;
  connectHead: (socket: string) => SimulatedHead;
  /** A copy of the head's database; this process takes it away. */
  snapshot: () => Promise<string>;
  findImage: (store: string) => ImageCatalog["find"];
  /** Told of everything that the machines' process says. */
  heard: (line: WalkLine, machines: number) => void;
  /** Told of each stage. */
  say: (line: string) => void;
};

/** `why`: what the twin makes of the one machine that did not come up. */
export type Simulation = { report: SimulationReport; why?: WhyAnswer };

/** Walks machines through their boots and sums up. Nothing of a twin is left, however it ends. */
export async function simulate(options: SimulateOptions, context: SimulateContext): Promise<Simulation> {
  if (process.getuid?.() !== 0) {
    throw new AppError("forbidden", "only root may make network namespaces and addresses", { hint: "sudo" });
  }
  if (options.device !== undefined) return simulateLive(options.device, options, context);
  try {
    return await simulateTwin(options, context);
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  } finally {
    await removeTwin(context.config);
  }
}

/** Against a head somewhere on the network: all that is known of it is what comes by the wire. */
async function simulateLive(
  device: string,
  options: SimulateOptions,
  context: SimulateContext,
): Promise<Simulation> {
  const { machines } = options;
  if (machines.kind !== "ports") throw new AppError("internal", "a live head's nodes are not known here");
  const { machines: walked } = selectPorts(machines.macs, options.firmware);
  const spec = { ...options.walk, device, machines: walked, ports: { dhcp: 67, tftp: 69 } };
  const { outcomes, durationMs, cpuMs } = await runWalker([], spec, context);
  const notes = [
    "the head is a real one: these boots are in its timeline, its leases and its discovered machines",
  ];
  return { report: reportOf({ outcomes, seed: spec.seed, durationMs, walkerCpuMs: cpuMs, notes }) };
}

async function simulateTwin(options: SimulateOptions, context: SimulateContext): Promise<Simulation> {
  const { machines } = options;
  const { config, checkout, signal, connectHead, findImage } = context;
  context.say("making a twin of the head");
  const twin = await makeTwin({
    checkout,
    signal,
    config,
    store:
      machines.kind === "invented"
        ? {
            kind: "empty",
            findImage,
            ...(machines.fileBytes === undefined ? {} : { fileBytes: machines.fileBytes }),
          }
        : { kind: "snapshot", take: context.snapshot },
    status: (socket) => connectHead(socket).status(),
  });
  const head = connectHead(twin.socket);
  const { machines: walked, notes: selected } = await select(options, head, twin.config.networks);
  const { dhcp, tftp } = twin.config.ports;
  const spec: WalkSpec = { ...options.walk, device: machinesDevice, machines: walked, ports: { dhcp, tftp } };
  context.say(
    `a twin of the head serves; ${walked.length === 1 ? "one machine is" : `${walked.length} machines are`} switched on`,
  );
  resetPeak(twin.process.pid);
  const before = readProcessUse(twin.process.pid);
  const { outcomes, durationMs, cpuMs } = await runWalker(inNamespace(twin.machines, []), spec, context);
  checkAlive(twin);
  const after = readProcessUse(twin.process.pid);
  const names = walked.filter(({ name }) => parseMac(name) === undefined).map(({ name }) => name);
  const cost: NonNullable<ReportInput["head"]> = {
    cpuMs: after.cpuMs - before.cpuMs,
    residentBeforeBytes: before.residentBytes,
    residentPeakBytes: after.residentPeakBytes,
    onRecord: await onRecord(head, names, spec.files),
  };
  const notes = [...twin.notes, ...selected, ...notesOf(spec)];
  const report = reportOf({ outcomes, seed: spec.seed, durationMs, walkerCpuMs: cpuMs, head: cost, notes });
  const [only] = walked;
  if (report.failed !== 1 || only === undefined || walked.length !== 1) return { report };
  return { report, why: await head.why(only.name) };
}

function notesOf(spec: WalkSpec): string[] {
  return [
    "roots are not mounted: NFS is not simulated",
    ...(spec.files ? [] : ["loaders, kernels and initrds were asked about, not fetched"]),
    ...(spec.pace === 1 ? [] : [`the firmware's own pauses were multiplied by ${spec.pace}`]),
  ];
}

async function select(
  { machines, firmware }: SimulateOptions,
  head: SimulatedHead,
  networks: Config["networks"],
): Promise<Selection> {
  if (machines.kind === "ports") return selectPorts(machines.macs, firmware);
  if (machines.kind === "invented") await inventNodes(head, machines.count);
  const { nodes } = await head.nodes(machines.kind === "range" ? machines.range : undefined);
  return selectNodes(nodes, firmware, networks);
}

async function inventNodes(head: SimulatedHead, count: number): Promise<void> {
  if (count > inventedLimit)
    throw new AppError("invalid", `at most ${inventedLimit} machines can be made up`);
  const last = String(count);
  const range = `n[${"1".padStart(last.length, "0")}-${last}]`;
  await head.addNodes({ range, macs: [inventedFirst.mac], ip: inventedFirst.ip });
}

/** The steps that a head has on record of a boot from the first packet to the last. */
const everyStep = ["offered", "script", "overlay", "starting", "root", "up"];
const fetchedSteps = ["loader", "kernel", "initrd"];

/** So many nodes' events fit into one answer. */
const nodesPerQuestion = 2000;

/** The nodes whose boot the head's own timeline has from beginning to end. */
async function onRecord(
  head: SimulatedHead,
  names: readonly string[],
  files: boolean,
): Promise<ReadonlySet<string>> {
  const wanted = files ? [...everyStep, ...fetchedSteps] : everyStep;
  const complete = new Set<string>();
  for (let from = 0; from < names.length; from += nodesPerQuestion) {
    const range = foldNames(names.slice(from, from + nodesPerQuestion));
    const { events } = await head.events(range, 100_000);
    for (const [name, own] of Map.groupBy(events, (event) => event.node ?? "")) {
      const last = Math.max(...own.map(({ boot }) => boot));
      const kinds = new Set<string>(own.filter(({ boot }) => boot === last).map(({ kind }) => kind));
      if (wanted.every((kind) => kinds.has(kind))) complete.add(name);
    }
  }
  return complete;
}

type Walked = { outcomes: WalkOutcome[]; durationMs: number; cpuMs: number };

/** Runs the process that plays the machines, where their interface is. */
async function runWalker(
  prefix: readonly string[],
  spec: WalkSpec,
  { signal, heard }: SimulateContext,
): Promise<Walked> {
  signal.throwIfAborted();
  const walker = path.join(import.meta.dirname, "walker.ts");
  const [file, ...args] = [...prefix, process.execPath, walker];
  const child = execa(file, args, { stdin: "pipe", buffer: { stdout: false }, reject: false });
  const stop = (): void => void child.stdin.end();
  signal.addEventListener("abort", stop, { once: true });
  const walked: Walked = { outcomes: [], durationMs: 0, cpuMs: 0 };
  let startedAtMs = 0;
  let ended = false;
  child.stdin.on("error", () => undefined); // it ended early; its exit says why
  child.stdin.write(`${JSON.stringify(spec)}\n`);
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as WalkLine;
    if (line.line === "failed") {
      throw new AppError("environment", line.message, line.hint === undefined ? {} : { hint: line.hint });
    }
    if (line.line === "started") startedAtMs = line.atMs;
    if (line.line === "outcome") walked.outcomes.push(line);
    if (line.line === "ended") {
      ended = true;
      walked.durationMs = line.atMs - startedAtMs;
      walked.cpuMs = line.cpuMs;
    }
    heard(line, spec.machines.length);
  }
  const result = await child;
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  if (ended) return walked;
  throw new AppError(
    "internal",
    `the machines' process ended before they did: ${result.stderr || result.shortMessage}`,
  );
}
