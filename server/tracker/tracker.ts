import { lostAfterMs, type Load, type NodeReport } from "../../agent/contract.ts";
import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent, Subject } from "../model/boot-event.ts";
import type { Boot, NodeState, RecordedEvent, TrackerBatch } from "../model/boot-record.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode, DiscoveredMachine } from "../model/node.ts";
import { nextPhase, type Phase } from "../model/phase.ts";
import { beginsBoot } from "./boot-boundary.ts";
import { Bus } from "./bus.ts";

/** What the tracker needs of the database. */
export type TrackerStore = {
  load: () => Promise<{
    states: NodeState[];
    discovered: DiscoveredMachine[];
    lastBoots: Boot[];
    lastBootId: number;
    lastSequence: number;
  }>;
  save: (batch: TrackerBatch) => Promise<void>;
};

export type TrackerParts = { directory: Directory; store: TrackerStore; clock: Clock; log: Log };

/** A machine's place: its phase and the boot it is in. */
type Standing = { phase: Phase; phaseSinceMs: number; boot?: Boot };

/** How often what has gathered is written, and how often silence is looked for. */
const writeEveryMs = 100;
const lookEveryMs = 500;
/** A heartbeat alone is written this seldom: it is only shown. */
const heartbeatWriteMs = 30_000;
/** Bound on what waits while the disk is full. */
const queueLimit = 100_000;

/** What is happening to each machine: the only writer of phases. `record` never waits; writing follows in batches. */
export class Tracker {
  readonly #parts: TrackerParts;
  readonly #bus = new Bus<RecordedEvent>();
  readonly #states = new Map<number, NodeState>();
  readonly #loads = new Map<number, Load>();
  /** Boots by port: a machine that is not in the inventory has no other name. */
  readonly #standings = new Map<Mac, Standing>();
  readonly #nodeBoots = new Map<number, Boot>();
  readonly #discovered = new Map<Mac, DiscoveredMachine>();
  #listensSinceMs = 0;
  #bootId = 0;
  #sequence = 0;
  #queue: { boots: Boot[]; events: RecordedEvent[] } = { boots: [], events: [] };
  readonly #dirtyStates = new Set<number>();
  readonly #dirtyMachines = new Set<Mac>();
  #writing: Promise<void> | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(parts: TrackerParts) {
    this.#parts = parts;
  }

  async load(): Promise<void> {
    const loaded = await this.#parts.store.load();
    this.#listensSinceMs = this.#parts.clock.nowMs();
    this.#bootId = loaded.lastBootId;
    this.#sequence = loaded.lastSequence;
    for (const machine of loaded.discovered) this.#discovered.set(machine.mac, machine);
    const boots = new Map(loaded.lastBoots.map((boot) => [boot.id, boot]));
    for (const boot of loaded.lastBoots) {
      if (boot.nodeId === undefined)
        this.#standings.set(boot.mac, { phase: "offered", phaseSinceMs: boot.startedAtMs, boot });
    }
    for (const state of loaded.states) {
      this.#states.set(state.nodeId, state);
      const boot = state.bootId === undefined ? undefined : boots.get(state.bootId);
      if (boot !== undefined) this.#nodeBoots.set(state.nodeId, boot);
    }
  }

  start(): void {
    this.#timers = [
      setInterval(() => void this.flush(), writeEveryMs),
      setInterval(() => this.lookForSilence(), lookEveryMs),
    ];
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const id of this.#states.keys()) this.#dirtyStates.add(id);
    await this.flush();
  }

  /** Takes in what a server saw. */
  record = (event: BootEvent): void => {
    const node = this.#nodeOf(event);
    if (node === undefined) this.#noteMachine(event);
    const before = this.#standing(event.mac, node);
    const begins = beginsBoot(before.phase, event);
    if (!begins && before.boot === undefined && (event.kind === "offered" || node === undefined)) return; // a running system that renews its address
    const boot = begins || before.boot === undefined ? this.#beginBoot(event, node) : before.boot;
    const ownPhase = event.kind === "offered" && event.client === "system";
    const phase = ownPhase ? before.phase : nextPhase(begins ? "new" : before.phase, event.kind);
    const phaseSinceMs = phase === before.phase && !begins ? before.phaseSinceMs : event.atMs;
    this.#setStanding(event.mac, node, { phase, phaseSinceMs, boot });
    this.#sequence += 1;
    const recorded: RecordedEvent = {
      sequence: this.#sequence,
      bootId: boot.id,
      event,
      ...(node === undefined ? {} : { nodeId: node.id }),
    };
    if (this.#queue.events.length < queueLimit) this.#queue.events.push(recorded);
    this.#bus.publish(recorded);
  };

  /** A node's own word that it lives, with its load. */
  heartbeat(node: ClusterNode, report: NodeReport): void {
    const nowMs = this.#parts.clock.nowMs();
    const state = this.stateOf(node);
    const subject = this.subjectOf(node);
    if (subject !== undefined && state.phase === "lost")
      this.record({ kind: "returned", ...subject, atMs: nowMs });
    else if (subject !== undefined && state.phase !== "up" && state.phase !== "down") {
      this.record({ kind: "up", ...subject, atMs: nowMs, uptimeSeconds: report.uptimeSeconds });
    }
    const after = this.stateOf(node);
    if (report.hardware !== undefined || nowMs - (state.lastHeartbeatMs ?? 0) > heartbeatWriteMs)
      this.#dirtyStates.add(node.id);
    this.#states.set(node.id, {
      ...after,
      lastHeartbeatMs: nowMs,
      ...(report.hardware === undefined ? {} : { hardware: report.hardware }),
    });
    this.#loads.set(node.id, report.load);
  }

  /** Declares nodes lost that were up and have been silent for too long. */
  lookForSilence(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const node of this.#parts.directory.nodes()) {
      const state = this.#states.get(node.id);
      if (state?.phase !== "up") continue;
      // A head that was away has heard no heartbeat either: every node gets the full time to be heard again.
      const silentMs = nowMs - Math.max(state.lastHeartbeatMs ?? state.phaseSinceMs, this.#listensSinceMs);
      const subject = this.subjectOf(node);
      if (silentMs >= lostAfterMs && subject !== undefined)
        this.record({ kind: "lost", ...subject, atMs: nowMs, silentMs });
    }
  }

  stateOf(node: ClusterNode): NodeState {
    return this.#states.get(node.id) ?? { nodeId: node.id, phase: "new", phaseSinceMs: node.addedAtMs };
  }

  loadOf(node: ClusterNode): Load | undefined {
    return this.#loads.get(node.id);
  }

  /** The last boot of a node, or of a machine that is none's. */
  lastBootOf(subject: ClusterNode | Mac): Boot | undefined {
    return typeof subject === "string" ? this.#standings.get(subject)?.boot : this.#nodeBoots.get(subject.id);
  }

  /** The node under the port it booted by last, else under its first; undefined while it has neither. */
  subjectOf(node: ClusterNode): Subject | undefined {
    const booted = this.#nodeBoots.get(node.id)?.mac;
    const owner = booted === undefined ? undefined : this.#parts.directory.byMac(booted);
    // A port that is nobody's: the machine is known by something else. One that is another node's by now does not count.
    const mac = owner === undefined || owner.id === node.id ? (booted ?? node.macs[0]) : node.macs[0];
    return mac === undefined ? undefined : { mac, nodeId: node.id };
  }

  phaseOfMachine(mac: Mac): Phase {
    return this.#standings.get(mac)?.phase ?? "new";
  }

  /** Machines that asked for a boot and are in no node's ports, in the order first seen. */
  discovered(): DiscoveredMachine[] {
    return [...this.#discovered.values()].filter(
      (machine) => this.#parts.directory.byMac(machine.mac) === undefined,
    );
  }

  subscribe(listener: (event: RecordedEvent) => void): () => void {
    return this.#bus.subscribe(listener);
  }

  /** Resolves when all that was recorded before the call is on the disk, or could not be written now. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    const { boots, events } = this.#queue;
    const states = [...this.#dirtyStates].flatMap((id) => this.#states.get(id) ?? []);
    const discovered = [...this.#dirtyMachines].flatMap((mac) => this.#discovered.get(mac) ?? []);
    if (boots.length + events.length + states.length + discovered.length === 0) return;
    this.#queue = { boots: [], events: [] };
    this.#dirtyStates.clear();
    this.#dirtyMachines.clear();
    this.#writing = this.#parts.store
      .save({ boots, events, states, discovered })
      .catch((error: unknown) => {
        this.#parts.log.error(
          { error: messageOf(error), events: events.length },
          "boot events could not be written, trying again",
        );
        this.#queue = { boots: [...boots, ...this.#queue.boots], events: [...events, ...this.#queue.events] };
        for (const state of states) this.#dirtyStates.add(state.nodeId);
        for (const machine of discovered) this.#dirtyMachines.add(machine.mac);
      })
      .finally(() => {
        this.#writing = undefined;
      });
    await this.#writing;
  }

  #nodeOf({ mac, nodeId }: Subject): ClusterNode | undefined {
    const { directory } = this.#parts;
    return nodeId === undefined ? directory.byMac(mac) : directory.byId(nodeId);
  }

  #standing(mac: Mac, node: ClusterNode | undefined): Standing {
    if (node === undefined) return this.#standings.get(mac) ?? { phase: "new", phaseSinceMs: 0 };
    const { phase, phaseSinceMs } = this.stateOf(node);
    const boot = this.#nodeBoots.get(node.id);
    return { phase, phaseSinceMs, ...(boot === undefined ? {} : { boot }) };
  }

  #setStanding(mac: Mac, node: ClusterNode | undefined, standing: Standing & { boot: Boot }): void {
    if (node === undefined) {
      this.#standings.set(mac, standing);
      return;
    }
    this.#nodeBoots.set(node.id, standing.boot);
    this.#states.set(node.id, {
      ...this.stateOf(node),
      phase: standing.phase,
      phaseSinceMs: standing.phaseSinceMs,
      bootId: standing.boot.id,
    });
    this.#dirtyStates.add(node.id);
  }

  #beginBoot(event: BootEvent, node: ClusterNode | undefined): Boot {
    this.#bootId += 1;
    const boot: Boot = {
      id: this.#bootId,
      mac: event.mac,
      startedAtMs: event.atMs,
      ...(node === undefined ? {} : { nodeId: node.id }),
    };
    this.#queue.boots.push(boot);
    return boot;
  }

  #noteMachine(event: BootEvent): void {
    const known = this.#discovered.get(event.mac);
    const asksForBoot = event.kind === "script" || (event.kind === "offered" && event.client !== "system");
    if (!asksForBoot) return;
    this.#discovered.set(event.mac, {
      ...(known ?? { mac: event.mac, firstSeenMs: event.atMs }),
      lastSeenMs: event.atMs,
      ...(event.kind === "offered" ? { firmware: event.firmware } : {}),
      ...(event.kind === "offered" && event.ip !== undefined ? { ip: event.ip } : {}),
      ...(event.kind === "offered" && event.vendorClass !== undefined
        ? { vendorClass: event.vendorClass }
        : {}),
    });
    this.#dirtyMachines.add(event.mac);
  }
}
