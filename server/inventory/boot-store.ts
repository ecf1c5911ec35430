import type { Hardware } from "../../agent/contract.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent } from "../model/boot-event.ts";
import type { Boot, NodeState, RecordedEvent, TrackerBatch } from "../model/boot-record.ts";
import type { RelayPort, Uuid } from "../model/machine-identity.ts";
import type { DiscoveredMachine } from "../model/node.ts";
import type { Phase } from "../model/phase.ts";
import type { Database } from "./database.ts";
import { insertInto, onConflict, type SqlValue, upsertInto } from "./statements.ts";
import type { Tables } from "./tables.ts";

const addBoot = insertInto("boots", ["id", "mac", "node_id", "started_at_ms"]);
const eventColumns = ["sequence", "mac", "node_id", "at_ms", "kind", "event"] as const;
/** An event goes with its boot, which may have been forgotten since. */
const addEvent = `insert into boot_events (${eventColumns.join(", ")}, boot_id)
  select ${eventColumns.map(() => "?").join(", ")}, id from boots where id = ?`;
const stateColumns = ["phase", "phase_since_ms", "boot_id", "last_heartbeat_ms"] as const;
/** What is known of a node goes with it. */
const saveState = `insert into node_states (${stateColumns.join(", ")}, node_id)
  select ${stateColumns.map(() => "?").join(", ")}, id from nodes where id = ?
  ${onConflict("node_id", stateColumns)}`;
const saveHardware = `insert into node_hardware (hardware, node_id) select ?, id from nodes where id = ?
  ${onConflict("node_id", ["hardware"])}`;
const saveMachine = upsertInto("discovered", "mac", [
  "first_seen_ms",
  "last_seen_ms",
  "firmware",
  "vendor_class",
  "ip",
  "uuid",
  "relay_port",
]);
const forgetMachine = "delete from discovered where mac = ?";
/** With their events. What a node booted by the same port before is the node's. */
const forgetBoots = "delete from boots where mac = ? and node_id is null";
const forgetOldBoots = `delete from boots where mac = ? and id <=
  (select id from boots where mac = ? order by id desc limit 1 offset ?)`;

/** Rows read at once. */
const rowsAtOnce = 5000;

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
    states: { state: NodeState; boot: Boot | undefined }[];
    discovered: { machine: DiscoveredMachine; boot: Boot | undefined }[];
    lastBootId: number;
    lastSequence: number;
  }> {
    const { db } = this.#database;
    const lastOf = async (table: "boots" | "boot_events", column: "id" | "sequence"): Promise<number> => {
      const row = await db
        .selectFrom(table)
        .select((each) => each.fn.max<number | null>(column).as("last"))
        .executeTakeFirst();
      return row?.last ?? 0;
    };
    return {
      states: await this.#states(),
      discovered: await this.#discovered(),
      lastBootId: await lastOf("boots", "id"),
      lastSequence: await lastOf("boot_events", "sequence"),
    };
  }

  /** One commit. */
  async save(batch: TrackerBatch): Promise<void> {
    const begun = batch.events.flatMap((event) => event.begun ?? []);
    const macs = new Set(begun.map((boot) => boot.mac));
    const forgotten = batch.forgotten.map((mac) => [mac]);
    await this.#database.write([
      { sql: addBoot, rows: begun.map(bootRow) },
      { sql: addEvent, rows: batch.events.map(eventRow) },
      { sql: forgetOldBoots, rows: [...macs].map((mac) => [mac, mac, this.#bootsKept()]) },
      { sql: saveState, rows: batch.states.map(stateRow) },
      { sql: saveHardware, rows: batch.hardware.map(([id, hardware]) => [JSON.stringify(hardware), id]) },
      { sql: saveMachine, rows: batch.discovered.map(machineRow) },
      { sql: forgetMachine, rows: forgotten },
      { sql: forgetBoots, rows: forgotten },
    ]);
  }

  /** What nodes last reported to be made of, by their numbers. */
  async hardwareOf(nodeIds: readonly number[]): Promise<Map<number, Hardware>> {
    const found = new Map<number, Hardware>();
    for (let at = 0; at < nodeIds.length; at += rowsAtOnce) {
      const rows = await this.#database.db
        .selectFrom("node_hardware")
        .selectAll()
        .where("node_id", "in", nodeIds.slice(at, at + rowsAtOnce))
        .execute();
      for (const row of rows) found.set(row.node_id, JSON.parse(row.hardware) as Hardware);
    }
    return found;
  }

  async #states(): Promise<{ state: NodeState; boot: Boot | undefined }[]> {
    const states: { state: NodeState; boot: Boot | undefined }[] = [];
    for (let last = 0; ;) {
      const rows = await this.#database.db
        .selectFrom("node_states")
        .leftJoin("boots", "boots.id", "node_states.boot_id")
        .selectAll("node_states")
        .select(["boots.mac", "boots.started_at_ms"])
        .where("node_states.node_id", ">", last)
        .orderBy("node_states.node_id")
        .limit(rowsAtOnce)
        .execute();
      for (const row of rows) states.push({ state: stateFromRow(row), boot: bootOf(row, row.node_id) });
      if (rows.length < rowsAtOnce) return states;
      last = rows.at(-1)?.node_id ?? last;
    }
  }

  async #discovered(): Promise<{ machine: DiscoveredMachine; boot: Boot | undefined }[]> {
    const rows = await this.#database.db
      .selectFrom("discovered")
      .leftJoin("boots", (join) =>
        join.on("boots.node_id", "is", null).on("boots.id", "=", (query) =>
          query
            .selectFrom("boots as last")
            .select((each) => each.fn.max("last.id").as("id"))
            .whereRef("last.mac", "=", "discovered.mac"),
        ),
      )
      .selectAll("discovered")
      .select(["boots.id as boot_id", "boots.started_at_ms"])
      .orderBy("last_seen_ms")
      .execute();
    return rows.map((row) => ({ machine: machineFromRow(row), boot: bootOf(row, undefined) }));
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

/** What has a column of its own is not in the JSON as well: the record is the greater part of the database. */
function eventRow({ sequence, bootId, nodeId, event }: RecordedEvent): SqlValue[] {
  const { mac, atMs, kind, ...rest } = event;
  return [sequence, mac, nodeId ?? null, atMs, kind, JSON.stringify(rest), bootId];
}

function stateRow(state: NodeState): SqlValue[] {
  return [state.phase, state.phaseSinceMs, state.bootId ?? null, state.lastHeartbeatMs ?? null, state.nodeId];
}

function machineRow(machine: DiscoveredMachine): SqlValue[] {
  return [
    machine.mac,
    machine.firstSeenMs,
    machine.lastSeenMs,
    machine.firmware ?? null,
    machine.vendorClass ?? null,
    machine.ip ?? null,
    machine.uuid ?? null,
    machine.relayPort ?? null,
  ];
}

function stateFromRow(row: Tables["node_states"]): NodeState {
  return {
    nodeId: row.node_id,
    phase: row.phase as Phase,
    phaseSinceMs: row.phase_since_ms,
    bootId: row.boot_id ?? undefined,
    lastHeartbeatMs: row.last_heartbeat_ms ?? undefined,
  };
}

/** The boot of a row that was joined with one, or with none. */
function bootOf(
  row: { boot_id: number | null; mac: string | null; started_at_ms: number | null },
  nodeId: number | undefined,
): Boot | undefined {
  const { boot_id: id, mac, started_at_ms: startedAtMs } = row;
  if (id === null || mac === null || startedAtMs === null) return undefined;
  return { id, mac: mac as Mac, nodeId, startedAtMs };
}

function machineFromRow(row: Tables["discovered"]): DiscoveredMachine {
  return {
    mac: row.mac as Mac,
    firstSeenMs: row.first_seen_ms,
    lastSeenMs: row.last_seen_ms,
    ...(row.firmware === null ? {} : { firmware: row.firmware }),
    ...(row.vendor_class === null ? {} : { vendorClass: row.vendor_class }),
    ...(row.ip === null ? {} : { ip: row.ip as Ipv4 }),
    ...(row.uuid === null ? {} : { uuid: row.uuid as Uuid }),
    ...(row.relay_port === null ? {} : { relayPort: row.relay_port as RelayPort }),
  };
}

function eventFromRow(row: Tables["boot_events"]): RecordedEvent {
  return {
    sequence: row.sequence,
    bootId: row.boot_id,
    ...(row.node_id === null ? {} : { nodeId: row.node_id }),
    event: {
      kind: row.kind,
      mac: row.mac,
      atMs: row.at_ms,
      ...(JSON.parse(row.event) as object),
    } as BootEvent,
  };
}
