import { type Architecture, architectureOf } from "../model/arch.ts";
import { DecodeError } from "../lib/errors.ts";
import type { Ipv6 } from "../lib/ipv6.ts";
import type { Mac } from "../lib/mac.ts";
import {
  type ClientId,
  parseUuid,
  type RelayPort,
  type Uuid,
  uuidTheOtherWayRound,
} from "../model/machine-identity.ts";
import { decode6 } from "./codec.ts";
import {
  type IdentityAssociation,
  macOfAddress,
  readArchitectures,
  readAssociation,
  readDuid,
  readLinkLayer,
  readUserClasses,
  readVendorClasses,
} from "./option-values.ts";
import {
  find6,
  hopLimit,
  isRelay6,
  type Message6,
  type Option6,
  optionCodes,
  type Packet6,
  type Relay6,
} from "./packet.ts";
import { portOfRelays } from "./relay.ts";

/** A client's message with all that decides the answer read out and checked. */
export type Request6 = {
  message: Message6;
  /** The relays it came through, the one next to us first. */
  relays: readonly Relay6[];
  /** The client's own link-local address. */
  peer: Ipv6;
  /** Option 1 as sent; INFORMATION-REQUEST may come without (RFC 8415 section 18.2.6). */
  duid: Uint8Array | undefined;
  /** Of the port that asks, by whatever tells it first: the relay, the client's address, the DUID. */
  mac: Mac | undefined;
  /** From the DUID: of some port of the machine, the same one whichever asks. */
  machineMac: Mac | undefined;
  /** SMBIOS UUID, from a DUID of type 4 (RFC 6355). */
  uuid: Uuid | undefined;
  /** The DUID as a client identifier of DHCPv4 has it (RFC 4361 section 6.1). */
  clientId: ClientId | undefined;
  /** The port that the nearest relay heard it by. */
  relayPort: RelayPort | undefined;
  associations: readonly IdentityAssociation[];
  client: Client6;
  /** The first vendor class, only what can be printed. */
  vendorClass: string | undefined;
};

export type Client6 =
  | { kind: "system" }
  /** `enterprise`: the number of its vendor class, which an answer has to repeat. */
  | { kind: "firmware"; transport: "tftp" | "http"; architecture: Architecture; enterprise: number }
  | { kind: "ipxe"; architecture: Architecture };

/** Opens the relays' envelopes and reads who asks for what; throws DecodeError when what matters is malformed. */
export function readRequest6(packet: Packet6, source: Ipv6): Request6 {
  const relays: Relay6[] = [];
  let inner: Packet6 = packet;
  let peer = source;
  while (isRelay6(inner)) {
    const carried = find6(inner.options, optionCodes.relayMessage);
    if (carried === undefined || inner.type === "RELAY-REPL") {
      throw new DecodeError("bad-value", 0, "a relay's message that carries no client's");
    }
    if (relays.length >= hopLimit) throw new DecodeError("too-long", 0, `more than ${hopLimit} relays`);
    relays.push(inner);
    peer = inner.peer;
    inner = decode6(carried);
  }
  return { message: inner, relays, peer, ...readFacts(inner, relays, peer) };
}

function readFacts(
  { options }: Message6,
  relays: readonly Relay6[],
  peer: Ipv6,
): Omit<Request6, "message" | "relays" | "peer"> {
  const duid = find6(options, optionCodes.clientId);
  const facts = duid === undefined ? {} : readDuid(duid);
  const seen = relays.map((relay) => find6(relay.options, optionCodes.clientLinkLayer)).findLast(Boolean);
  const associations = options
    .filter(({ code }) => code === optionCodes.identityNonTemporary)
    .map(({ value }) => readAssociation(value));
  const who = readClient(options);
  return {
    duid,
    mac: (seen === undefined ? undefined : readLinkLayer(seen)) ?? macOfAddress(peer) ?? facts.mac,
    machineMac: facts.mac,
    uuid: facts.uuid === undefined ? undefined : uuidOf(facts.uuid, who.client),
    clientId: duid === undefined ? undefined : clientIdOf(duid, associations[0]?.iaid ?? 0),
    relayPort: portOfRelays(relays),
    associations,
    ...who,
  };
}

/** EDK2 copies it from SMBIOS as it stands there; iPXE and systems write it as RFC 6355 says (seen from OVMF and iPXE 1.21). */
function uuidOf(bytes: Uint8Array, client: Client6): Uuid | undefined {
  const uuid = parseUuid(Buffer.from(bytes).toString("hex"));
  return uuid !== undefined && client.kind === "firmware" ? uuidTheOtherWayRound(uuid) : uuid;
}

function clientIdOf(duid: Uint8Array, iaid: number): ClientId {
  return `ff${iaid.toString(16).padStart(8, "0")}${Buffer.from(duid).toString("hex")}` as ClientId;
}

function readClient(options: readonly Option6[]): Pick<Request6, "client" | "vendorClass"> {
  const vendor = find6(options, optionCodes.vendorClass);
  const { enterprise, classes } =
    vendor === undefined ? { enterprise: 0, classes: [] } : readVendorClasses(vendor);
  const [vendorClass = ""] = classes;
  const user = find6(options, optionCodes.userClass);
  const shown = vendorClass === "" ? undefined : vendorClass.replaceAll(/[^ -~]/g, ".").slice(0, 128);
  const client = (): Client6 => {
    const architecture = bootable(readArchitectures(options));
    if (user !== undefined && readUserClasses(user).includes("iPXE")) return { kind: "ipxe", architecture };
    if (vendorClass.startsWith("HTTPClient")) {
      return { kind: "firmware", transport: "http", architecture, enterprise };
    }
    if (vendorClass.startsWith("PXEClient")) {
      return { kind: "firmware", transport: "tftp", architecture, enterprise };
    }
    return { kind: "system" };
  };
  return { client: client(), vendorClass: shown };
}

/** Of several (RFC 5970 section 3.3) the first that we have a loader for. */
function bootable(codes: readonly number[]): Architecture {
  const known = codes.map(architectureOf);
  return known.find((entry) => entry.loader !== undefined) ?? known[0] ?? architectureOf(7);
}
