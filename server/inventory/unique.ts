import type { Directory } from "../model/directory.ts";
import { clientIdText, relayPortText } from "../model/machine-identity.ts";
import { foldNames } from "../model/node-range.ts";
import type { ClusterNode } from "../model/node.ts";
import type { Faults } from "./node-values.ts";

type Claiming = Pick<ClusterNode, "name" | "macs" | "uuid" | "clientIds" | "relayPort" | "ip">;

type Lookups = Pick<Directory, "byName" | "byMac" | "byUuid" | "byClientId" | "byRelayPort" | "byIp">;

/**
 * Faults of names, ports, identifiers and addresses that two nodes would share, whether both are new or one is there
 * already. What the `replaced` nodes have counts no longer.
 */
export function checkUnique(
  nodes: readonly Claiming[],
  directory: Lookups,
  replaced: ReadonlySet<number>,
  faults: Faults,
): void {
  const claims = new Map<string, string>();
  const kept = (node: ClusterNode | undefined): string | undefined =>
    node === undefined || replaced.has(node.id) ? undefined : node.name;
  const claim = (place: string, what: string, name: string, holder: ClusterNode | undefined): void => {
    const owner = kept(holder) ?? claims.get(what);
    if (owner === undefined) claims.set(what, name);
    else if (owner !== name) faults.add(place, `${what} of ${name} is ${owner}'s already`);
  };
  const duplicates = new Set(
    nodes.map((node) => node.name).filter((name) => kept(directory.byName(name)) !== undefined),
  );
  if (duplicates.size > 0) faults.add("name", `there already: ${foldNames([...duplicates])}`);
  for (const { name, macs, uuid, clientIds = [], relayPort, ip } of nodes) {
    if (duplicates.has(name)) continue;
    if (new Set(macs).size < macs.length) faults.add("--mac", `${name} has a MAC twice`);
    for (const mac of macs) claim("--mac", `MAC ${mac}`, name, directory.byMac(mac));
    if (uuid !== undefined) claim("--uuid", `UUID ${uuid}`, name, directory.byUuid(uuid));
    for (const id of clientIds)
      claim("--client-id", `client identifier ${clientIdText(id)}`, name, directory.byClientId(id));
    if (relayPort !== undefined) {
      const what = `relay port ${relayPortText(relayPort)}`;
      claim("--relay-port", what, name, directory.byRelayPort(relayPort));
    }
    claim("--ip", `address ${ip}`, name, directory.byIp(ip));
  }
}
