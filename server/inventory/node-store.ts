import type { Kysely, Transaction } from "kysely";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { ClusterNode, Group } from "../model/node.ts";
import type { Tables } from "./tables.ts";

/** A node before the database has numbered it. */
export type NewNode = Omit<ClusterNode, "id">;

/** Everything one command changes: all of it is committed, or none. */
export type InventoryChange = {
  added?: readonly NewNode[];
  /** Whole nodes, found by `id`. */
  updated?: readonly ClusterNode[];
  removedIds?: readonly number[];
  savedGroups?: readonly Group[];
  removedGroup?: string;
};

/** The nodes and groups in the database. A method that has returned is on the disk. */
export class NodeStore {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async load(): Promise<{ nodes: ClusterNode[]; groups: Group[] }> {
    const [rows, ports, memberships, groups] = await Promise.all([
      this.#db.selectFrom("nodes").selectAll().execute(),
      this.#db.selectFrom("node_ports").selectAll().orderBy("position").execute(),
      this.#db.selectFrom("node_groups").selectAll().orderBy("position").execute(),
      this.#db.selectFrom("groups").selectAll().execute(),
    ]);
    const macs = Map.groupBy(ports, (row) => row.node_id);
    const groupsOf = Map.groupBy(memberships, (row) => row.node_id);
    const nodes = rows.map((row) => ({
      id: row.id,
      name: row.name,
      macs: (macs.get(row.id) ?? []).map((port) => port.mac as Mac),
      ip: row.ip as Ipv4,
      groups: (groupsOf.get(row.id) ?? []).map((membership) => membership.group_name),
      ...(row.image === null ? {} : { image: row.image }),
      kernelArguments: JSON.parse(row.kernel_arguments) as string[],
      machineId: row.machine_id,
      sshHostKey: { privateKey: row.ssh_private_key, publicKey: row.ssh_public_key },
      addedAtMs: row.added_at_ms,
    }));
    return { nodes, groups: groups.map(groupFromRow) };
  }

  /** @returns the added nodes with their numbers, in the order given. */
  async apply(change: InventoryChange): Promise<ClusterNode[]> {
    return this.#db.transaction().execute(async (transaction) => {
      for (const group of change.savedGroups ?? []) await saveGroup(transaction, group);
      if (change.removedIds !== undefined && change.removedIds.length > 0) {
        await transaction.deleteFrom("nodes").where("id", "in", change.removedIds).execute();
      }
      if (change.removedGroup !== undefined) {
        await transaction.deleteFrom("groups").where("name", "=", change.removedGroup).execute();
      }
      await updateNodes(transaction, change.updated ?? []);
      const added: ClusterNode[] = [];
      for (const node of change.added ?? []) {
        const { id } = await transaction
          .insertInto("nodes")
          .values(columnsOf(node))
          .returning("id")
          .executeTakeFirstOrThrow();
        await insertLists(transaction, id, node);
        added.push({ ...node, id });
      }
      return added;
    });
  }
}

/** Ports, names and addresses may change places between nodes: all old ones go before any new one comes. */
async function updateNodes(transaction: Transaction<Tables>, nodes: readonly ClusterNode[]): Promise<void> {
  for (const { id } of nodes) {
    await transaction.deleteFrom("node_ports").where("node_id", "=", id).execute();
    await transaction.deleteFrom("node_groups").where("node_id", "=", id).execute();
    await transaction
      .updateTable("nodes")
      .set({ name: `#${id}`, ip: `#${id}` })
      .where("id", "=", id)
      .execute();
  }
  for (const node of nodes) {
    await transaction.updateTable("nodes").set(columnsOf(node)).where("id", "=", node.id).execute();
    await insertLists(transaction, node.id, node);
  }
}

async function insertLists(transaction: Transaction<Tables>, id: number, node: NewNode): Promise<void> {
  for (const [position, mac] of node.macs.entries()) {
    await transaction.insertInto("node_ports").values({ mac, node_id: id, position }).execute();
  }
  for (const [position, group] of node.groups.entries()) {
    await transaction
      .insertInto("node_groups")
      .values({ node_id: id, group_name: group, position })
      .execute();
  }
}

async function saveGroup(transaction: Transaction<Tables>, group: Group): Promise<void> {
  const settings = { image: group.image ?? null, kernel_arguments: JSON.stringify(group.kernelArguments) };
  await transaction
    .insertInto("groups")
    .values({ name: group.name, ...settings })
    .onConflict((conflict) => conflict.column("name").doUpdateSet(settings))
    .execute();
}

function columnsOf(node: NewNode) {
  return {
    name: node.name,
    ip: node.ip,
    image: node.image ?? null,
    kernel_arguments: JSON.stringify(node.kernelArguments),
    machine_id: node.machineId,
    ssh_private_key: node.sshHostKey.privateKey,
    ssh_public_key: node.sshHostKey.publicKey,
    added_at_ms: node.addedAtMs,
  };
}

function groupFromRow(row: Tables["groups"]): Group {
  return {
    name: row.name,
    ...(row.image === null ? {} : { image: row.image }),
    kernelArguments: JSON.parse(row.kernel_arguments) as string[],
  };
}
