import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { LoaderKind } from "../model/arch.ts";
import type { ClientId, RelayPort, Uuid } from "../model/machine-identity.ts";
import type { ClusterNode, DhcpOption, Group, SshHostKey } from "../model/node.ts";
import type { Database } from "./database.ts";
import { insertInto, onConflict, type SqlValue } from "./statements.ts";
import type { Tables } from "./tables.ts";

/** A node before the database has numbered it. */
export type NewNode = Omit<ClusterNode, "id" | "sshPublicKey"> & { sshHostKey: SshHostKey };

/** What can be set of a node. */
export type Settings = Omit<NewNode, "machineId" | "sshHostKey" | "addedAtMs">;

/** Everything one command changes: all of it is committed, or none. */
export type InventoryChange = {
  added?: readonly NewNode[];
  updated?: readonly { before: ClusterNode; after: ClusterNode }[];
  removedIds?: readonly number[];
  savedGroups?: readonly Group[];
  removedGroup?: string;
};

/** Its keys and its machine id are made once. */
const settingColumns = [
  "name",
  "ip",
  "image",
  "loader",
  "kernel_arguments",
  "dhcp_options",
  "uuid",
  "client_ids",
  "relay_port",
] as const;

const addNode = `${insertInto("nodes", [
  ...settingColumns,
  "machine_id",
  "ssh_private_key",
  "ssh_public_key",
  "added_at_ms",
])} returning id`;
const setNode = `update nodes set ${settingColumns.map((column) => `${column} = ?`).join(", ")} where id = ?`;
/** Ports, names, addresses and identifiers may change places between nodes: all old ones go before any new one comes. */
const clearNode =
  "update nodes set name = '#' || id, ip = '#' || id, uuid = null, relay_port = null where id = ?";
const clearPorts = "delete from node_ports where node_id = ?";
const clearGroups = "delete from node_groups where node_id = ?";
/** By the node's name: the number of a node that is being added is not known yet. */
const addPort = "insert into node_ports (mac, position, node_id) select ?, ?, id from nodes where name = ?";
const addMembership =
  "insert into node_groups (group_name, position, node_id) select ?, ?, id from nodes where name = ?";
const removeNode = "delete from nodes where id = ?";
const groupColumns = ["image", "loader", "kernel_arguments", "dhcp_options"] as const;
const saveGroup = `${insertInto("groups", ["name", ...groupColumns])} ${onConflict("name", groupColumns)}`;
const removeGroup = "delete from groups where name = ?";

/** Rows read at once: all of 100,000 nodes' rows together would take more memory than the nodes do. */
const rowsAtOnce = 5000;

/** The nodes and groups in the database. A method that has returned is on the disk. */
export class NodeStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async load(): Promise<{ nodes: ClusterNode[]; groups: Group[] }> {
    const nodes: ClusterNode[] = [];
    const shared = new Shared();
    for (let last = 0; ;) {
      const page = await this.#loadAfter(last, shared);
      for (const node of page) nodes.push(node);
      if (page.length < rowsAtOnce) break;
      last = page.at(-1)?.id ?? last;
    }
    const groups = await this.#database.db.selectFrom("groups").selectAll().execute();
    return { nodes, groups: groups.map(groupFromRow) };
  }

  /** @returns the added nodes with their numbers, in the order given. */
  async apply(change: InventoryChange): Promise<ClusterNode[]> {
    const { added = [], updated = [], removedIds = [], savedGroups = [], removedGroup } = change;
    const after = updated.map((pair) => pair.after);
    const replugged = updated.filter((pair) => !isSameList(pair.before.macs, pair.after.macs));
    const regrouped = updated.filter((pair) => !isSameList(pair.before.groups, pair.after.groups));
    const moved = updated.filter(({ before, after: { name, ip, uuid, relayPort } }) => {
      const isPlaced = before.name === name && before.ip === ip;
      return !isPlaced || before.uuid !== uuid || before.relayPort !== relayPort;
    });
    const idsOf = (pairs: typeof updated): SqlValue[][] => pairs.map((pair) => [pair.after.id]);
    const returned = await this.#database.write([
      { sql: saveGroup, rows: savedGroups.map(groupRow) },
      { sql: removeNode, rows: removedIds.map((id) => [id]) },
      { sql: removeGroup, rows: removedGroup === undefined ? [] : [[removedGroup]] },
      { sql: clearPorts, rows: idsOf(replugged) },
      { sql: clearGroups, rows: idsOf(regrouped) },
      { sql: clearNode, rows: idsOf(moved) },
      { sql: setNode, rows: after.map((node) => [...settings(node), node.id]) },
      { sql: addNode, rows: added.map(newRow) },
      { sql: addPort, rows: [...replugged.map((pair) => pair.after), ...added].flatMap(portRows) },
      { sql: addMembership, rows: [...regrouped.map((pair) => pair.after), ...added].flatMap(groupRows) },
    ]);
    const ids = returned.flat() as { id: number }[];
    return added.map(({ sshHostKey, ...node }, index) => ({
      ...node,
      id: ids[index]?.id ?? Number.NaN,
      sshPublicKey: sshHostKey.publicKey,
    }));
  }

  /** @throws when the node has been removed */
  async sshHostKey(nodeId: number): Promise<SshHostKey> {
    const row = await this.#database.db
      .selectFrom("nodes")
      .select(["ssh_private_key", "ssh_public_key"])
      .where("id", "=", nodeId)
      .executeTakeFirstOrThrow();
    return { privateKey: row.ssh_private_key, publicKey: row.ssh_public_key };
  }

  async #loadAfter(last: number, shared: Shared): Promise<ClusterNode[]> {
    const { db } = this.#database;
    const rows = await db
      .selectFrom("nodes")
      .select(["id", ...settingColumns, "machine_id", "ssh_public_key", "added_at_ms"])
      .where("id", ">", last)
      .orderBy("id")
      .limit(rowsAtOnce)
      .execute();
    const end = rows.at(-1)?.id ?? last;
    const [ports, memberships] = await Promise.all([
      db
        .selectFrom("node_ports")
        .select(["node_id", "mac as value"])
        .where("node_id", ">", last)
        .where("node_id", "<=", end)
        .orderBy("node_id")
        .orderBy("position")
        .execute(),
      db
        .selectFrom("node_groups")
        .select(["node_id", "group_name as value"])
        .where("node_id", ">", last)
        .where("node_id", "<=", end)
        .orderBy("node_id")
        .orderBy("position")
        .execute(),
    ]);
    const macsOf = valuesInTurn(ports);
    const groupsOf = valuesInTurn(memberships);
    return rows.map((row) => {
      const node: ClusterNode = {
        id: row.id,
        name: row.name,
        macs: macsOf(row.id) as Mac[],
        ip: row.ip as Ipv4,
        groups: shared.list(groupsOf(row.id)),
        kernelArguments: shared.parsed(row.kernel_arguments),
        machineId: row.machine_id,
        sshPublicKey: row.ssh_public_key,
        addedAtMs: row.added_at_ms,
      };
      if (row.image !== null) node.image = shared.text(row.image);
      if (row.loader !== null) node.loader = shared.text(row.loader) as LoaderKind;
      if (row.dhcp_options !== "[]") Object.assign(node, optionsFrom(row.dhcp_options));
      if (row.uuid !== null) node.uuid = row.uuid as Uuid;
      if (row.client_ids !== "[]") node.clientIds = JSON.parse(row.client_ids) as ClientId[];
      if (row.relay_port !== null) node.relayPort = row.relay_port as RelayPort;
      return node;
    });
  }
}

/** The values of one node after the other, of rows that are sorted by node. */
function valuesInTurn(
  rows: readonly { node_id: number; value: string }[],
): (nodeId: number) => readonly string[] {
  let next = 0;
  return (nodeId) => {
    const values: string[] = [];
    for (let row = rows[next]; row?.node_id === nodeId; row = rows[next]) {
      values.push(row.value);
      next += 1;
    }
    return values;
  };
}

/** Values that thousands of nodes have in common, kept once. */
class Shared {
  readonly #texts = new Map<string, string>();
  /** By their values with commas between: no group's name has one. */
  readonly #lists = new Map<string, readonly string[]>();
  readonly #parsed = new Map<string, readonly string[]>();

  text(value: string): string {
    const known = this.#texts.get(value);
    if (known === undefined) this.#texts.set(value, value);
    return known ?? value;
  }

  list(values: readonly string[]): readonly string[] {
    const key = values.join(",");
    const known = this.#lists.get(key);
    if (known === undefined) this.#lists.set(key, values);
    return known ?? values;
  }

  /** `json`: string[] */
  parsed(json: string): readonly string[] {
    let list = this.#parsed.get(json);
    if (list === undefined) this.#parsed.set(json, (list = JSON.parse(json) as string[]));
    return list;
  }
}

function portRows(node: Settings): SqlValue[][] {
  return node.macs.map((mac, position) => [mac, position, node.name]);
}

function groupRows(node: Settings): SqlValue[][] {
  return node.groups.map((group, position) => [group, position, node.name]);
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}

/** The values of `settingColumns`. */
function settings(node: Settings): SqlValue[] {
  return [
    node.name,
    node.ip,
    node.image ?? null,
    node.loader ?? null,
    JSON.stringify(node.kernelArguments),
    optionsText(node.options),
    node.uuid ?? null,
    JSON.stringify(node.clientIds ?? []),
    node.relayPort ?? null,
  ];
}

function newRow(node: NewNode): SqlValue[] {
  const { privateKey, publicKey } = node.sshHostKey;
  return [...settings(node), node.machineId, privateKey, publicKey, node.addedAtMs];
}

function groupRow(group: Group): SqlValue[] {
  const { name, image = null, loader = null } = group;
  return [name, image, loader, JSON.stringify(group.kernelArguments), optionsText(group.options)];
}

function groupFromRow(row: Tables["groups"]): Group {
  return {
    name: row.name,
    ...(row.image === null ? {} : { image: row.image }),
    ...(row.loader === null ? {} : { loader: row.loader as LoaderKind }),
    kernelArguments: JSON.parse(row.kernel_arguments) as string[],
    ...optionsFrom(row.dhcp_options),
  };
}

function optionsText(options: readonly DhcpOption[] = []): string {
  return JSON.stringify(options.map(({ code, value }) => [code, Buffer.from(value).toString("hex")]));
}

function optionsFrom(json: string): { options?: readonly DhcpOption[] } {
  if (json === "[]") return {};
  const pairs = JSON.parse(json) as [number, string][];
  return { options: pairs.map(([code, hex]) => ({ code, value: Buffer.from(hex, "hex") })) };
}
