import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { ClientId, RelayPort, Uuid } from "./machine-identity.ts";
import type { ClusterNode, Group } from "./node.ts";

/** The inventory as every server reads it: in memory, current, synchronous. Look-ups never write. */
export type Directory = {
  byId: (id: number) => ClusterNode | undefined;
  byMac: (mac: Mac) => ClusterNode | undefined;
  byUuid: (uuid: Uuid) => ClusterNode | undefined;
  byClientId: (id: ClientId) => ClusterNode | undefined;
  byRelayPort: (port: RelayPort) => ClusterNode | undefined;
  byIp: (ip: Ipv4) => ClusterNode | undefined;
  byName: (name: string) => ClusterNode | undefined;
  /** Sorted by name, numbers in numerical order. */
  nodes: () => readonly ClusterNode[];
  group: (name: string) => Group | undefined;
  groups: () => readonly Group[];
};
