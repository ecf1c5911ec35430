import type { Hardware } from "../../agent/contract.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent } from "./boot-event.ts";
import type { DiscoveredMachine } from "./node.ts";
import type { Phase } from "./phase.ts";

/** One boot of one machine. */
export type Boot = { id: number; mac: Mac; nodeId?: number | undefined; startedAtMs: number };

/** An event with its place: the boot it belongs to and its number in the whole record. */
export type RecordedEvent = {
  sequence: number;
  bootId: number;
  nodeId?: number | undefined;
  event: BootEvent;
};

/** Where a node stands. */
export type NodeState = {
  nodeId: number;
  phase: Phase;
  phaseSinceMs: number;
  bootId?: number | undefined;
  lastHeartbeatMs?: number | undefined;
};

/** An event to be written, with the boot that it begins. */
export type WrittenEvent = RecordedEvent & { begun: Boot | undefined };

/** What the tracker has to write since the last time. */
export type TrackerBatch = {
  events: readonly WrittenEvent[];
  states: readonly NodeState[];
  /** By node. */
  hardware: readonly (readonly [number, Hardware])[];
  discovered: readonly DiscoveredMachine[];
  /** Strangers that nothing is kept of any longer. */
  forgotten: readonly Mac[];
};
