import type { Mac } from "../lib/mac.ts";
import type { Subject } from "./boot-event.ts";
import type { Directory } from "./directory.ts";
import type { ClusterNode, DiscoveredMachine } from "./node.ts";

/**
 * Who a machine is for all of one boot: the port it boots by and, where the inventory knows it by something else (its UUID,
 * its client identifier, its switch port), the name of its node. A loader can repeat only what is in its URL.
 */
export type BootIdentity = { mac: Mac; name?: string };

/** The identity of the machine with this port; `node` is who DHCP found it to be. */
export function identityOf(mac: Mac, node: ClusterNode | undefined): BootIdentity {
  return node === undefined || node.macs.includes(mac) ? { mac } : { mac, name: node.name };
}

/** The same machine as events name it. */
export function subjectOf(mac: Mac, node: ClusterNode | undefined): Subject {
  return node === undefined ? { mac } : { mac, nodeId: node.id };
}

/** The node of a machine that was seen, by all that it said of itself; undefined when that is nobody's, or two nodes'. */
export function nodeOfSeen(
  { mac, uuid, relayPort }: DiscoveredMachine,
  directory: Directory,
): ClusterNode | undefined {
  const nodes = [
    directory.byMac(mac),
    uuid === undefined ? undefined : directory.byUuid(uuid),
    relayPort === undefined ? undefined : directory.byRelayPort(relayPort),
  ].filter((node) => node !== undefined);
  return nodes.every((node) => node === nodes[0]) ? nodes[0] : undefined;
}

/** Undefined when it is nobody's, and when port and name are two different nodes': neither is guessed. */
export function nodeOfIdentity({ mac, name }: BootIdentity, directory: Directory): ClusterNode | undefined {
  const byPort = directory.byMac(mac);
  const byName = name === undefined ? undefined : directory.byName(name);
  return byPort === undefined || byName === undefined || byPort === byName ? (byName ?? byPort) : undefined;
}
