import type { Hardware } from "../../agent/contract.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent } from "./boot-event.ts";
import type { DiscoveredMachine } from "./node.ts";
import type { Phase } from "./phase.ts";

/** One boot of one machine. */
export type Boot = { id: number; mac: Mac; nodeId?: number; startedAtMs: number };

/** An event with its place: the boot it belongs to and its number in the whole record. */
export type RecordedEvent = { sequence: number; bootId: number; nodeId?: number; event: BootEvent };

/** Where a node stands. */
export type NodeState = {
  nodeId: number;
  phase: Phase;
  phaseSinceMs: number;
  bootId?: number;
  lastHeartbeatMs?: number;
  hardware?: Hardware;
};

/** What the tracker has to write since the last time. */
export type TrackerBatch = {
  boots: readonly Boot[];
  events: readonly RecordedEvent[];
  states: readonly NodeState[];
  discovered: readonly DiscoveredMachine[];
};
