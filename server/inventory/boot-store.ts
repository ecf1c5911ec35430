import type { Kysely } from "kysely";
import type { Hardware } from "../../agent/contract.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent } from "../model/boot-event.ts";
import type { Boot, NodeState, RecordedEvent, TrackerBatch } from "../model/boot-record.ts";
import type { DiscoveredMachine } from "../model/node.ts";
import type { Phase } from "../model/phase.ts";
import type { Tables } from "./tables.ts";

/** The tracker's memory in the database. */
export class BootStore {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async load(): Promise<{
    states: NodeState[];
    discovered: DiscoveredMachine[];
    lastBoots: Boot[];
    lastBootId: number;
    lastSequence: number;
  }> {
    const [states, discovered, lastBoots, bootId, sequence] = await Promise.all([
      this.#db.selectFrom("node_states").selectAll().execute(),
      this.#db.selectFrom("discovered").selectAll().orderBy("first_seen_ms").execute(),
      this.#db
        .selectFrom("boots")
        .selectAll()
        .where("id", "in", (query) =>
          query
            .selectFrom("boots")
            .select((column) => column.fn.max("id").as("id"))
            .groupBy("mac"),
        )
        .execute(),
      this.#db
        .selectFrom("boots")
        .select((column) => column.fn.max("id").as("last"))
        .executeTakeFirst(),
      this.#db
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
    await this.#db.transaction().execute(async (transaction) => {
      for (const boot of batch.boots) {
        await transaction
          .insertInto("boots")
          .values({
            id: boot.id,
            mac: boot.mac,
            node_id: boot.nodeId ?? null,
            started_at_ms: boot.startedAtMs,
          })
          .execute();
      }
      for (const { sequence, bootId, nodeId, event } of batch.events) {
        await transaction
          .insertInto("boot_events")
          .values({
            sequence,
            boot_id: bootId,
            mac: event.mac,
            node_id: nodeId ?? null,
            at_ms: event.atMs,
            kind: event.kind,
            event: JSON.stringify(event),
          })
          .execute();
      }
      for (const state of batch.states) {
        const columns = {
          phase: state.phase,
          phase_since_ms: state.phaseSinceMs,
          boot_id: state.bootId ?? null,
          last_heartbeat_ms: state.lastHeartbeatMs ?? null,
          hardware: state.hardware === undefined ? null : JSON.stringify(state.hardware),
        };
        // A node may have been removed since: its state goes with it.
        const known = await transaction
          .selectFrom("nodes")
          .select("id")
          .where("id", "=", state.nodeId)
          .executeTakeFirst();
        if (known === undefined) continue;
        await transaction
          .insertInto("node_states")
          .values({ node_id: state.nodeId, ...columns })
          .onConflict((conflict) => conflict.column("node_id").doUpdateSet(columns))
          .execute();
      }
      for (const machine of batch.discovered) {
        const columns = {
          last_seen_ms: machine.lastSeenMs,
          firmware: machine.firmware ?? null,
          vendor_class: machine.vendorClass ?? null,
          ip: machine.ip ?? null,
        };
        await transaction
          .insertInto("discovered")
          .values({ mac: machine.mac, first_seen_ms: machine.firstSeenMs, ...columns })
          .onConflict((conflict) => conflict.column("mac").doUpdateSet(columns))
          .execute();
      }
    });
  }

  /** Events of one boot, oldest first. */
  async eventsOfBoot(bootId: number): Promise<RecordedEvent[]> {
    const rows = await this.#db
      .selectFrom("boot_events")
      .selectAll()
      .where("boot_id", "=", bootId)
      .orderBy("sequence")
      .execute();
    return rows.map(eventFromRow);
  }

  /** The newest `limit` events, oldest first; of these nodes only when `nodeIds` is given. */
  async newestEvents(limit: number, nodeIds?: readonly number[]): Promise<RecordedEvent[]> {
    let query = this.#db.selectFrom("boot_events").selectAll().orderBy("sequence", "desc").limit(limit);
    if (nodeIds !== undefined) query = query.where("node_id", "in", nodeIds);
    const rows = await query.execute();
    return rows.map(eventFromRow).toReversed();
  }

  /** Forgets all but the newest `kept` boots of each machine, with their events. @returns how many boots went. */
  async prune(kept: number): Promise<number> {
    const rows = await this.#db.selectFrom("boots").select(["id", "mac"]).orderBy("id", "desc").execute();
    const old = [...Map.groupBy(rows, (row) => row.mac).values()].flatMap((boots) =>
      boots.slice(kept).map((boot) => boot.id),
    );
    for (let at = 0; at < old.length; at += 500) {
      await this.#db
        .deleteFrom("boots")
        .where("id", "in", old.slice(at, at + 500))
        .execute();
    }
    return old.length;
  }
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
