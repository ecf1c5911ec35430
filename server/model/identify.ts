import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent } from "./boot-event.ts";
import { subjectOf } from "./boot-identity.ts";
import type { Directory } from "./directory.ts";
import {
  type ClientId,
  clientIdText,
  duidOfClientId,
  isSameUuid,
  type RelayPort,
  relayPortText,
  type Uuid,
  uuidTheOtherWayRound,
} from "./machine-identity.ts";
import type { ClusterNode } from "./node.ts";
import type { UuidSightings } from "./uuid-sightings.ts";

/** Who asks. `nodes`: all that what the machine says points to. */
export type Identity =
  | { kind: "node"; node: ClusterNode }
  | { kind: "unknown" }
  | { kind: "conflict"; nodes: readonly ClusterNode[]; message: string };

/** All that a machine and the relays before it say of it in one request, by DHCP or by DHCPv6. */
export type Said = {
  /** The port that asks; a client of DHCPv6 may show none. */
  mac: Mac | undefined;
  /** A port of the same machine, by which it names itself whichever of them asks (DUID-LL, DUID-LLT). */
  machineMac?: Mac | undefined;
  uuid: Uuid | undefined;
  clientId: ClientId | undefined;
  relayPort: RelayPort | undefined;
};

/** Beside another DHCP server, and by IPv6, there are no leases. */
type Known = {
  directory: Directory;
  leases?: { ownAddressOf: (mac: Mac, nowMs: number) => Ipv4 | undefined };
  sightings?: UuidSightings;
};

/**
 * Whose machine it is, by all that the inventory knows machines by: ports, UUIDs, client identifiers, switch ports. What
 * points to different nodes is nobody: a wrong guess would give one machine the disks and the name of another.
 */
export function identify(said: Said, known: Known, nowMs: number): Identity {
  const { mac, uuid } = said;
  const claims = claimsOf(said, known.directory);
  const nodes = [...new Set(claims.map(({ node }) => node))];
  const [node] = nodes;
  if (nodes.length > 1) {
    const pointsTo = claims.map((claim) => `${claim.what} is ${claim.node.name}'s`).join(", ");
    const message = `${mac ?? "a machine"} is not guessed to be any of them: ${pointsTo}`;
    return { kind: "conflict", nodes, message };
  }
  const other =
    uuid === undefined || mac === undefined ? undefined : known.sightings?.otherOf(mac, uuid, nowMs);
  if (other !== undefined && node !== undefined) {
    const message = `two machines have the MAC ${mac}: one with the UUID ${uuid}, one with ${other}; neither is guessed to be ${node.name}`;
    return { kind: "conflict", nodes, message };
  }
  const found = node ?? remembered(said, known, nowMs);
  return found === undefined ? { kind: "unknown" } : { kind: "node", node: found };
}

/**
 * A conflict, told of each of the nodes; of a machine that shows no port, by a port of the node. Once an attempt is enough: a
 * client that looks for an address repeats its first message only.
 */
export function conflictEvents(
  mac: Mac | undefined,
  { nodes, message }: Identity & { kind: "conflict" },
  nowMs: number,
): BootEvent[] {
  return nodes.flatMap((node): BootEvent[] => {
    const port = mac ?? node.macs[0];
    if (port === undefined) return [];
    return [{ kind: "refused", ...subjectOf(port, node), atMs: nowMs, step: "offered", message }];
  });
}

/** What a machine says of itself, for the record of a boot. */
export function saidOf({ uuid, relayPort }: Pick<Said, "uuid" | "relayPort">): {
  uuid?: Uuid;
  relayPort?: RelayPort;
} {
  return {
    ...(uuid === undefined ? {} : { uuid }),
    ...(relayPort === undefined ? {} : { relayPort }),
  };
}

function claimsOf(
  { mac, machineMac, uuid, clientId, relayPort }: Said,
  directory: Directory,
): { what: string; node: ClusterNode }[] {
  const claims: { what: string; node: ClusterNode }[] = [];
  const claim = (node: ClusterNode | undefined, what: () => string): void => {
    if (node !== undefined) claims.push({ what: what(), node });
  };
  if (mac !== undefined) claim(directory.byMac(mac), () => `MAC ${mac}`);
  if (machineMac !== undefined && machineMac !== mac) {
    claim(directory.byMac(machineMac), () => `MAC ${machineMac}`);
  }
  if (uuid !== undefined) claim(nodeOfUuid(uuid, directory), () => `UUID ${uuid}`);
  if (clientId !== undefined) {
    claim(nodeOfClientId(clientId, directory), () => `client identifier ${clientIdText(clientId)}`);
  }
  if (relayPort !== undefined) {
    claim(directory.byRelayPort(relayPort), () => `switch port ${relayPortText(relayPort)}`);
  }
  return claims;
}

function nodeOfUuid(uuid: Uuid, directory: Directory): ClusterNode | undefined {
  return directory.byUuid(uuid) ?? directory.byUuid(uuidTheOtherWayRound(uuid));
}

/** By the whole identifier, or by the DUID in it: that is the machine's in DHCPv6 as well (RFC 4361 section 6.1). */
function nodeOfClientId(id: ClientId, directory: Directory): ClusterNode | undefined {
  const whole = directory.byClientId(id);
  if (whole !== undefined) return whole;
  const duid = duidOfClientId(id);
  return duid === undefined ? undefined : directory.byClientId(duid);
}

/**
 * The node whose address the machine was given when it said more of itself: firmware sends a UUID, the system it boots does
 * not. Nothing it says now may speak against it.
 */
function remembered({ mac, uuid, relayPort }: Said, known: Known, nowMs: number): ClusterNode | undefined {
  const ip = mac === undefined ? undefined : known.leases?.ownAddressOf(mac, nowMs);
  const node = ip === undefined ? undefined : known.directory.byIp(ip);
  if (node?.uuid !== undefined && uuid !== undefined && !isSameUuid(node.uuid, uuid)) return undefined;
  if (node?.relayPort !== undefined && relayPort !== undefined && node.relayPort !== relayPort)
    return undefined;
  return node;
}
