import type { Hardware } from "../../agent/contract.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent } from "../model/boot-event.ts";
import type { Boot, NodeState, RecordedEvent, TrackerBatch } from "../model/boot-record.ts";
import type { DiscoveredMachine } from "../model/node.ts";
import type { Phase } from "../model/phase.ts";
import type { Database } from "./database.ts";
import { insertInto, onConflict, type SqlValue, upsertInto } from "./statements.ts";
import type { Tables } from "./tables.ts";

const addBoot = insertInto("boots", ["id", "mac", "node_id", "started_at_ms"]);
const addEvent = insertInto("boot_events", [
  "sequence",
  "boot_id",
  "mac",
  "node_id",
  "at_ms",
  "kind",
  "event",
]);
const stateColumns = ["phase", "phase_since_ms", "boot_id", "last_heartbeat_ms", "hardware"] as const;
/** A node may have been removed since: its state goes with it. */
const saveState = `insert into node_states (${stateColumns.join(", ")}, node_id)
  select ${stateColumns.map(() => "?").join(", ")}, id from nodes where id = ?
  ${onConflict("node_id", stateColumns)}`;
const saveMachine = upsertInto("discovered", "mac", [
  "first_seen_ms",
  "last_seen_ms",
  "firmware",
  "vendor_class",
  "ip",
]);
/** With their events. */
const forgetOldBoots = `delete from boots where mac = ? and id <=
  (select id from boots where mac = ? order by id desc limit 1 offset ?)`;

/** The tracker's memory in the database. */
export class BootStore {
  readonly #database: Database;
  readonly #bootsKept: () => number;

  /** `bootsKept`: of each machine, the newest; older ones go, with their events, when another begins. */
  constructor(database: Database, { bootsKept }: { bootsKept: () => number }) {
    this.#database = database;
    this.#bootsKept = bootsKept;
  }

  async load(): Promise<{
    states: NodeState[];
    discovered: DiscoveredMachine[];
    lastBoots: Boot[];
    lastBootId: number;
    lastSequence: number;
  }> {
    const { db } = this.#database;
    const [states, discovered, lastBoots, bootId, sequence] = await Promise.all([
      db.selectFrom("node_states").selectAll().execute(),
      db.selectFrom("discovered").selectAll().orderBy("first_seen_ms").execute(),
      db
        .selectFrom("boots")
        .selectAll()
        .where("id", "in", (query) =>
          query
            .selectFrom("boots")
            .select((column) => column.fn.max("id").as("id"))
            .groupBy("mac"),
        )
        .execute(),
      db
        .selectFrom("boots")
        .select((column) => column.fn.max("id").as("last"))
        .executeTakeFirst(),
      db
        .selectFrom("boot_events")
        .select((column) => column.fn.max("sequence").as("last"))
        .executeTakeFirst(),
    ]);
    return {
      states: states.map(stateFromRow),
      discovered: discovered.map(machineFromRow),
      lastBoots: lastBoots.map(bootFromRow),
      lastBootId: bootId?.last ?? 0,
      lastSequence: sequence?.last ?? 0,
    };
  }

  /** One commit. */
  async save(batch: TrackerBatch): Promise<void> {
    const macs = [...new Set(batch.boots.map((boot) => boot.mac))];
    await this.#database.write([
      { sql: addBoot, rows: batch.boots.map(bootRow) },
      { sql: addEvent, rows: batch.events.map(eventRow) },
      { sql: forgetOldBoots, rows: macs.map((mac) => [mac, mac, this.#bootsKept()]) },
      { sql: saveState, rows: batch.states.map(stateRow) },
      { sql: saveMachine, rows: batch.discovered.map(machineRow) },
    ]);
  }

  /** Events of one boot, oldest first. */
  async eventsOfBoot(bootId: number): Promise<RecordedEvent[]> {
    const rows = await this.#database.db
      .selectFrom("boot_events")
      .selectAll()
      .where("boot_id", "=", bootId)
      .orderBy("sequence")
      .execute();
    return rows.map(eventFromRow);
  }

  /** The newest `limit` events, oldest first; of these nodes only when `nodeIds` is given. */
  async newestEvents(limit: number, nodeIds?: readonly number[]): Promise<RecordedEvent[]> {
    let query = this.#database.db
      .selectFrom("boot_events")
      .selectAll()
      .orderBy("sequence", "desc")
      .limit(limit);
    if (nodeIds !== undefined) query = query.where("node_id", "in", nodeIds);
    const rows = await query.execute();
    return rows.map(eventFromRow).toReversed();
  }
}

function bootRow(boot: Boot): SqlValue[] {
  return [boot.id, boot.mac, boot.nodeId ?? null, boot.startedAtMs];
}

function eventRow({ sequence, bootId, nodeId, event }: RecordedEvent): SqlValue[] {
  return [sequence, bootId, event.mac, nodeId ?? null, event.atMs, event.kind, JSON.stringify(event)];
}

function stateRow(state: NodeState): SqlValue[] {
  return [
    state.phase,
    state.phaseSinceMs,
    state.bootId ?? null,
    state.lastHeartbeatMs ?? null,
    state.hardware === undefined ? null : JSON.stringify(state.hardware),
    state.nodeId,
  ];
}

function machineRow(machine: DiscoveredMachine): SqlValue[] {
  return [
    machine.mac,
    machine.firstSeenMs,
    machine.lastSeenMs,
    machine.firmware ?? null,
    machine.vendorClass ?? null,
    machine.ip ?? null,
  ];
}

function stateFromRow(row: Tables["node_states"]): NodeState {
  return {
    nodeId: row.node_id,
    phase: row.phase as Phase,
    phaseSinceMs: row.phase_since_ms,
    ...(row.boot_id === null ? {} : { bootId: row.boot_id }),
    ...(row.last_heartbeat_ms === null ? {} : { lastHeartbeatMs: row.last_heartbeat_ms }),
    ...(row.hardware === null ? {} : { hardware: JSON.parse(row.hardware) as Hardware }),
  };
}

function machineFromRow(row: Tables["discovered"]): DiscoveredMachine {
  return {
    mac: row.mac as Mac,
    firstSeenMs: row.first_seen_ms,
    lastSeenMs: row.last_seen_ms,
    ...(row.firmware === null ? {} : { firmware: row.firmware }),
    ...(row.vendor_class === null ? {} : { vendorClass: row.vendor_class }),
    ...(row.ip === null ? {} : { ip: row.ip as Ipv4 }),
  };
}

function bootFromRow(row: Tables["boots"]): Boot {
  return {
    id: row.id,
    mac: row.mac as Mac,
    startedAtMs: row.started_at_ms,
    ...(row.node_id === null ? {} : { nodeId: row.node_id }),
  };
}

function eventFromRow(row: Tables["boot_events"]): RecordedEvent {
  return {
    sequence: row.sequence,
    bootId: row.boot_id,
    ...(row.node_id === null ? {} : { nodeId: row.node_id }),
    event: JSON.parse(row.event) as BootEvent,
  };
}
