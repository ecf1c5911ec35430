import { clientIdText, type RelayPort, relayPortText, type Uuid } from "../model/machine-identity.ts";
import type { BootEvent } from "../model/boot-event.ts";
import { subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode } from "../model/node.ts";
import type { DhcpRequest } from "./client.ts";
import type { LeaseTable } from "./leases.ts";
import type { UuidSightings } from "./uuid-sightings.ts";

/** Who asks. `nodes`: all that what the machine says points to. */
export type Identity =
  | { kind: "node"; node: ClusterNode }
  | { kind: "unknown" }
  | { kind: "conflict"; nodes: readonly ClusterNode[]; message: string };

type Asking = Pick<DhcpRequest, "mac" | "uuid" | "clientId" | "relayPort">;

/** Beside another DHCP server there are no leases, and nobody is given an address by mistake. */
type Known = { directory: Directory; leases?: LeaseTable; sightings?: UuidSightings };

/**
 * Whose machine it is, by all that the inventory knows machines by: ports, UUIDs, client identifiers, switch ports. What
 * points to different nodes is nobody: a wrong guess would give one machine the disks and the name of another.
 */
export function identify(request: Asking, known: Known, nowMs: number): Identity {
  const { mac, uuid } = request;
  const claims = claimsOf(request, known.directory);
  const nodes = [...new Set(claims.map(({ node }) => node))];
  const [node] = nodes;
  if (nodes.length > 1) {
    const said = claims.map((claim) => `${claim.what} is ${claim.node.name}'s`).join(", ");
    return { kind: "conflict", nodes, message: `${mac} is not guessed to be any of them: ${said}` };
  }
  const other = uuid === undefined ? undefined : known.sightings?.otherOf(mac, uuid, nowMs);
  if (other !== undefined && node !== undefined) {
    const message = `two machines have the MAC ${mac}: one with the UUID ${uuid}, one with ${other}; neither is guessed to be ${node.name}`;
    return { kind: "conflict", nodes, message };
  }
  const found = node ?? remembered(request, known, nowMs);
  return found === undefined ? { kind: "unknown" } : { kind: "node", node: found };
}

/** Told of each of the nodes, once an attempt: a client that looks for an address repeats its DISCOVER only. */
export function conflictEvents(
  { mac, type }: Pick<DhcpRequest, "mac" | "type">,
  { nodes, message }: Identity & { kind: "conflict" },
  nowMs: number,
): BootEvent[] {
  if (type !== "DISCOVER") return [];
  return nodes.map((node) => ({
    kind: "refused",
    ...subjectOf(mac, node),
    atMs: nowMs,
    step: "offered",
    message,
  }));
}

/** What a machine says of itself, for the record of a boot. */
export function saidOf({ uuid, relayPort }: Asking): { uuid?: Uuid; relayPort?: RelayPort } {
  return {
    ...(uuid === undefined ? {} : { uuid }),
    ...(relayPort === undefined ? {} : { relayPort }),
  };
}

function claimsOf(
  { mac, uuid, clientId, relayPort }: Asking,
  directory: Directory,
): { what: string; node: ClusterNode }[] {
  const claims: { what: string; node: ClusterNode }[] = [];
  const claim = (node: ClusterNode | undefined, what: () => string): void => {
    if (node !== undefined) claims.push({ what: what(), node });
  };
  claim(directory.byMac(mac), () => `MAC ${mac}`);
  if (uuid !== undefined) claim(directory.byUuid(uuid), () => `UUID ${uuid}`);
  if (clientId !== undefined) {
    claim(directory.byClientId(clientId), () => `client identifier ${clientIdText(clientId)}`);
  }
  if (relayPort !== undefined) {
    claim(directory.byRelayPort(relayPort), () => `switch port ${relayPortText(relayPort)}`);
  }
  return claims;
}

/**
 * The node whose address the machine was given when it said more of itself: firmware sends a UUID, the system it boots does
 * not. Nothing it says now may speak against it.
 */
function remembered({ mac, uuid, relayPort }: Asking, known: Known, nowMs: number): ClusterNode | undefined {
  const ip = known.leases?.ownAddressOf(mac, nowMs);
  const node = ip === undefined ? undefined : known.directory.byIp(ip);
  if (node?.uuid !== undefined && uuid !== undefined && node.uuid !== uuid) return undefined;
  if (node?.relayPort !== undefined && relayPort !== undefined && node.relayPort !== relayPort)
    return undefined;
  return node;
}
