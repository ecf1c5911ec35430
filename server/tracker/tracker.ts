import { type Hardware, lostAfterMs, type Load, type NodeReport } from "../../agent/contract.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { isIpv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent, Subject } from "../model/boot-event.ts";
import type { Boot, NodeState, RecordedEvent, TrackerBatch } from "../model/boot-record.ts";
import { nodeOfSeen } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode, DiscoveredMachine } from "../model/node.ts";
import type { Phase } from "../model/phase.ts";
import { Bus } from "./bus.ts";
import { HeardOrder } from "./heard-order.ts";
import { Journal } from "./journal.ts";
import { isWithinRate, newStanding, type Standing, type Step, stepOf } from "./standing.ts";
import { type Stranger, type StrangerLimits, Strangers } from "./strangers.ts";

/** What the tracker needs of the database. */
export type TrackerStore = {
  load: () => Promise<{
    /** With the boot each node is in. */
    states: { state: NodeState; boot: Boot | undefined }[];
    /** With the last boot of each, in the order last seen. */
    discovered: { machine: DiscoveredMachine; boot: Boot | undefined }[];
    lastBootId: number;
    lastSequence: number;
  }>;
  save: (batch: TrackerBatch) => Promise<void>;
  hardwareOf: (nodeIds: readonly number[]) => Promise<Map<number, Hardware>>;
};

export type TrackerParts = {
  directory: Directory;
  store: TrackerStore;
  clock: Clock;
  log: Log;
  strangerLimits?: StrangerLimits;
};

type NodeStanding = Standing & { lastHeartbeatMs: number | undefined; load: Load | undefined };

/** How often what has gathered is written, and how often silence is looked for. */
const writeEveryMs = 100;
const lookEveryMs = 500;
/** A heartbeat alone is written this seldom: it is only shown. */
const heartbeatWriteMs = 300_000;
/** Nodes declared lost in one turn of the event loop. */
const lostAtOnce = 1000;
/** Nodes that were removed are looked for this seldom. */
const sweepEveryMs = 600_000;

/** What is happening to each machine: the only writer of phases. `record` never waits; writing follows in batches. */
export class Tracker {
  readonly #parts: TrackerParts;
  readonly #bus = new Bus<RecordedEvent>();
  readonly #nodes = new Map<number, NodeStanding>();
  /** By port: a machine that is not in the inventory has no other name. */
  readonly #strangers: Strangers;
  /** The nodes that are up. */
  readonly #heard = new HeardOrder();
  readonly #journal: Journal;
  #listensSinceMs = 0;
  #sweptMs = 0;
  #bootId = 0;
  #sequence = 0;
  #timers: NodeJS.Timeout[] = [];

  constructor(parts: TrackerParts) {
    this.#parts = parts;
    this.#strangers = new Strangers(parts.strangerLimits);
    this.#journal = new Journal({
      save: (batch) => parts.store.save(batch),
      state: (nodeId) => this.#stateOf(nodeId),
      machine: (mac) => this.#strangers.get(mac)?.machine,
      log: parts.log,
    });
  }

  async load(): Promise<void> {
    const loaded = await this.#parts.store.load();
    this.#listensSinceMs = this.#parts.clock.nowMs();
    this.#sweptMs = this.#listensSinceMs;
    this.#bootId = loaded.lastBootId;
    this.#sequence = loaded.lastSequence;
    for (const { machine, boot } of loaded.discovered) {
      const standing = { ...newStanding(boot?.startedAtMs ?? machine.firstSeenMs), boot, machine };
      if (boot !== undefined) standing.phase = "offered";
      this.#remember(standing);
    }
    for (const { state, boot } of loaded.states) {
      const { nodeId, phase, phaseSinceMs, lastHeartbeatMs } = state;
      const standing = { ...newStanding(phaseSinceMs), phase, boot, lastHeartbeatMs, load: undefined };
      this.#nodes.set(nodeId, standing);
      if (phase === "up") this.#heard.hear(nodeId, this.#listensSinceMs);
    }
  }

  start(): void {
    this.#timers = [
      setInterval(() => void this.flush(), writeEveryMs),
      setInterval(() => this.#lookOn(), lookEveryMs),
    ];
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const [id, { phase }] of this.#nodes) if (phase === "up") this.#journal.state(id);
    await this.flush();
  }

  /** Takes in what a server saw. */
  record = (event: BootEvent): void => {
    const { directory } = this.#parts;
    const node = event.nodeId === undefined ? directory.byMac(event.mac) : directory.byId(event.nodeId);
    if (node === undefined) this.#recordStranger(event);
    else this.#recordNode(event, node);
  };

  /** A node's own word that it lives, with its load. */
  heartbeat(node: ClusterNode, report: NodeReport): void {
    const nowMs = this.#parts.clock.nowMs();
    const subject = this.subjectOf(node);
    const standing = this.#standingOf(node);
    if (subject !== undefined && standing.phase === "lost") {
      this.record({ kind: "returned", ...subject, atMs: nowMs });
    } else if (subject !== undefined && standing.phase !== "up" && standing.phase !== "down") {
      this.record({ kind: "up", ...subject, atMs: nowMs, uptimeSeconds: report.uptimeSeconds });
    }
    if (nowMs - (standing.lastHeartbeatMs ?? 0) > heartbeatWriteMs) this.#journal.state(node.id);
    if (report.hardware !== undefined) this.#journal.hardware(node.id, report.hardware);
    standing.lastHeartbeatMs = nowMs;
    standing.load = report.load;
    if (standing.phase === "up") this.#heard.hear(node.id, nowMs);
  }

  /** Declares nodes lost that were up and have been silent for too long. @returns true when there may be more. */
  lookForSilence(): boolean {
    const nowMs = this.#parts.clock.nowMs();
    const silent = this.#heard.silentSince(nowMs - lostAfterMs, lostAtOnce);
    for (const nodeId of silent) {
      const node = this.#parts.directory.byId(nodeId);
      const subject = node === undefined ? undefined : this.subjectOf(node);
      const silentMs = nowMs - (this.#heard.heardMs(nodeId) ?? nowMs);
      if (subject === undefined) this.#heard.forget(nodeId);
      else this.record({ kind: "lost", ...subject, atMs: nowMs, silentMs });
    }
    if (Math.abs(nowMs - this.#sweptMs) >= sweepEveryMs) this.#sweep(nowMs);
    return silent.length >= lostAtOnce;
  }

  stateOf(node: ClusterNode): NodeState {
    return this.#stateOf(node.id) ?? { nodeId: node.id, phase: "new", phaseSinceMs: node.addedAtMs };
  }

  loadOf(node: ClusterNode): Load | undefined {
    return this.#nodes.get(node.id)?.load;
  }

  /** What nodes last reported to be made of, by their numbers. Kept in the database: it is only shown. */
  async hardwareOf(nodeIds: readonly number[]): Promise<Map<number, Hardware>> {
    await this.flush();
    return this.#parts.store.hardwareOf(nodeIds);
  }

  /** The last boot of a node, or of a machine that is none's. */
  lastBootOf(subject: ClusterNode | Mac): Boot | undefined {
    return typeof subject === "string"
      ? this.#strangers.get(subject)?.boot
      : this.#nodes.get(subject.id)?.boot;
  }

  /** The node under the port it booted by last, else under its first; undefined while it has neither. */
  subjectOf(node: ClusterNode): Subject | undefined {
    const booted = this.#nodes.get(node.id)?.boot?.mac;
    const owner = booted === undefined ? undefined : this.#parts.directory.byMac(booted);
    // A port that is nobody's: the machine is known by something else. One that is another node's by now does not count.
    const mac = owner === undefined || owner.id === node.id ? (booted ?? node.macs[0]) : node.macs[0];
    return mac === undefined ? undefined : { mac, nodeId: node.id };
  }

  phaseOfMachine(mac: Mac): Phase {
    return this.#strangers.get(mac)?.phase ?? "new";
  }

  /** Machines that asked for a boot and are in no node's ports, in the order first seen. */
  /** The node that a machine which waits in its loader has become since, by what it said of itself by DHCP. */
  nodeSeenAt(mac: Mac): ClusterNode | undefined {
    const machine = this.#strangers.get(mac)?.machine;
    return machine === undefined ? undefined : nodeOfSeen(machine, this.#parts.directory);
  }

  discovered(): DiscoveredMachine[] {
    const { directory } = this.#parts;
    return [...this.#strangers.values()]
      .map(({ machine }) => machine)
      .filter((machine) => nodeOfSeen(machine, directory) === undefined)
      .sort((one, other) => one.firstSeenMs - other.firstSeenMs);
  }

  subscribe(listener: (event: RecordedEvent) => void): () => void {
    return this.#bus.subscribe(listener);
  }

  /** Resolves when all that was recorded before the call is on the disk, or could not be written now. */
  flush(): Promise<void> {
    return this.#journal.flush();
  }

  /** When a switch takes a whole rack with it, packets are answered in between. */
  #lookOn(): void {
    if (this.lookForSilence()) setImmediate(() => this.#lookOn());
  }

  #recordNode(event: BootEvent, node: ClusterNode): void {
    const standing = this.#standingOf(node);
    const step = stepOf(standing, event);
    // A running system that renews its address.
    if (!step.begins && standing.boot === undefined && event.kind === "offered") return;
    if (!isWithinRate(standing, event, step)) return;
    this.#advance(standing, event, step, node.id);
    if (standing.phase !== "up") this.#heard.forget(node.id);
    else if (this.#heard.heardMs(node.id) === undefined) this.#heard.hear(node.id, event.atMs);
    this.#journal.state(node.id);
  }

  #recordStranger(event: BootEvent): void {
    const known = this.#strangers.get(event.mac);
    const standing = known ?? newStanding(event.atMs);
    const step = stepOf(standing, event);
    if (!step.begins && standing.boot === undefined) return;
    if (known === undefined && !this.#strangers.admits(event.atMs)) return;
    if (!isWithinRate(standing, event, step)) return;
    this.#advance(standing, event, step, undefined);
    this.#remember(Object.assign(standing, { machine: machineSeen(known?.machine, event) }));
    this.#journal.machine(event.mac);
  }

  #advance(standing: Standing, event: BootEvent, step: Step, nodeId: number | undefined): void {
    let begun: Boot | undefined;
    if (step.begins || standing.boot === undefined) {
      this.#bootId += 1;
      begun = { id: this.#bootId, mac: event.mac, startedAtMs: event.atMs, nodeId };
      standing.boot = begun;
      standing.events = 0;
    }
    standing.phase = step.phase;
    standing.phaseSinceMs = step.phaseSinceMs;
    standing.events += 1;
    this.#sequence += 1;
    const recorded = { sequence: this.#sequence, bootId: standing.boot?.id ?? 0, nodeId, event, begun };
    this.#journal.event(recorded);
    this.#bus.publish(recorded);
  }

  #remember(stranger: Stranger): void {
    for (const mac of this.#strangers.seen(stranger)) this.#journal.forget(mac);
  }

  #standingOf(node: ClusterNode): NodeStanding {
    let standing = this.#nodes.get(node.id);
    if (standing === undefined) {
      standing = { ...newStanding(node.addedAtMs), lastHeartbeatMs: undefined, load: undefined };
      this.#nodes.set(node.id, standing);
    }
    return standing;
  }

  #stateOf(nodeId: number): NodeState | undefined {
    const standing = this.#nodes.get(nodeId);
    if (standing === undefined) return undefined;
    const { phase, phaseSinceMs, boot, lastHeartbeatMs } = standing;
    return { nodeId, phase, phaseSinceMs, bootId: boot?.id, lastHeartbeatMs };
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const nodeId of this.#nodes.keys()) {
      if (this.#parts.directory.byId(nodeId) === undefined) this.#nodes.delete(nodeId);
    }
  }
}

function machineSeen(known: DiscoveredMachine | undefined, event: BootEvent): DiscoveredMachine {
  const machine = { ...(known ?? { mac: event.mac, firstSeenMs: event.atMs }), lastSeenMs: event.atMs };
  if (event.kind !== "offered" || event.client === "system") return machine;
  const { firmware, ip, vendorClass, uuid, relayPort } = event;
  return {
    ...machine,
    firmware,
    ...(isIpv4(ip) ? { ip } : {}),
    ...(vendorClass === undefined ? {} : { vendorClass }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(relayPort === undefined ? {} : { relayPort }),
  };
}
