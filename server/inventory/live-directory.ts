import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { Directory } from "../model/directory.ts";
import type { ClientId, RelayPort, Uuid } from "../model/machine-identity.ts";
import { naturalOrder } from "../model/natural-order.ts";
import type { ClusterNode, Group } from "../model/node.ts";

/** The inventory in memory: what the servers read, changed only after the database has been. */
export class LiveDirectory implements Directory {
  readonly #byId = new Map<number, ClusterNode>();
  readonly #byMac = new Map<Mac, ClusterNode>();
  /** UUIDs, client identifiers and relay ports: no two kinds are written alike. */
  readonly #byIdentifier = new Map<string, ClusterNode>();
  readonly #byIp = new Map<Ipv4, ClusterNode>();
  readonly #byName = new Map<string, ClusterNode>();
  readonly #groups = new Map<string, Group>();
  #sorted: readonly ClusterNode[] = [];

  byMac = (mac: Mac): ClusterNode | undefined => this.#byMac.get(mac);
  byUuid = (uuid: Uuid): ClusterNode | undefined => this.#byIdentifier.get(uuid);
  byClientId = (id: ClientId): ClusterNode | undefined => this.#byIdentifier.get(id);
  byRelayPort = (port: RelayPort): ClusterNode | undefined => this.#byIdentifier.get(port);
  byIp = (ip: Ipv4): ClusterNode | undefined => this.#byIp.get(ip);
  byName = (name: string): ClusterNode | undefined => this.#byName.get(name);
  byId = (id: number): ClusterNode | undefined => this.#byId.get(id);
  count = (): number => this.#byId.size;
  group = (name: string): Group | undefined => this.#groups.get(name);
  groups = (): readonly Group[] => [...this.#groups.values()].sort((a, b) => naturalOrder(a.name, b.name));

  nodes = (): readonly ClusterNode[] => this.#sorted;

  /** All old places of the changed nodes are cleared before any new one is set: nodes may have swapped ports. */
  apply(saved: readonly ClusterNode[], removedIds: readonly number[] = []): void {
    const gone = new Set([...removedIds, ...saved.map((node) => node.id)]);
    for (const id of gone) this.#forget(id);
    for (const node of saved) {
      this.#byId.set(node.id, node);
      this.#byName.set(node.name, node);
      this.#byIp.set(node.ip, node);
      for (const mac of node.macs) this.#byMac.set(mac, node);
      for (const identifier of identifiersOf(node)) this.#byIdentifier.set(identifier, node);
    }
    this.#sorted = mergeByName(
      this.#sorted.filter((node) => !gone.has(node.id)),
      sortByName(saved),
    );
  }

  applyGroups(saved: readonly Group[], removed?: string): void {
    for (const group of saved) this.#groups.set(group.name, group);
    if (removed !== undefined) this.#groups.delete(removed);
  }

  #forget(id: number): void {
    const node = this.#byId.get(id);
    if (node === undefined) return;
    this.#byId.delete(id);
    this.#byName.delete(node.name);
    this.#byIp.delete(node.ip);
    for (const mac of node.macs) this.#byMac.delete(mac);
    for (const identifier of identifiersOf(node)) this.#byIdentifier.delete(identifier);
  }
}

function sortByName(nodes: readonly ClusterNode[]): ClusterNode[] {
  return [...nodes].sort((a, b) => naturalOrder(a.name, b.name));
}

/** Two sorted lists in one: a change of one node among 100,000 does not sort them all again. */
function mergeByName(left: readonly ClusterNode[], right: readonly ClusterNode[]): readonly ClusterNode[] {
  const [first] = right;
  if (first === undefined) return left;
  const last = left.at(-1);
  if (last === undefined || naturalOrder(last.name, first.name) <= 0) return [...left, ...right];
  const merged: ClusterNode[] = [];
  let next = 0;
  for (const node of right) {
    const place = placeOf(node, left, next);
    for (; next < place; next += 1) merged.push(left[next] as ClusterNode);
    merged.push(node);
  }
  return [...merged, ...left.slice(next)];
}

/** How many of the sorted nodes from `from` on come before this one. Binary search. */
function placeOf(node: ClusterNode, sorted: readonly ClusterNode[], from: number): number {
  let [low, high] = [from, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (naturalOrder((sorted[middle] as ClusterNode).name, node.name) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function identifiersOf({ uuid, clientIds = [], relayPort }: ClusterNode): string[] {
  return [uuid, ...clientIds, relayPort].filter((identifier) => identifier !== undefined);
}
