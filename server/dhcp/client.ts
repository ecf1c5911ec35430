import { type Architecture, architectureOf, raspberryPi } from "../model/arch.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import { type Mac, macFromBytes } from "../lib/mac.ts";
import {
  type ClientId,
  parseUuid,
  type RelayPort,
  relayPortOf,
  type Uuid,
} from "../model/machine-identity.ts";
import { option, readOption } from "./option-table.ts";
import { type RelayAgent, readRelayAgent } from "./relay-agent.ts";
import type { MessageType } from "./option-values.ts";
import { type DhcpPacket, bootRequest, ethernet, noAddress } from "./packet.ts";
import { isRaspberryPi } from "./raspberry-pi.ts";

/** A client's message with all that decides the answer read out and checked. */
export type DhcpRequest = {
  packet: DhcpPacket;
  /** Without option 53 a message is BOOTP's (RFC 1534 section 2). */
  type: MessageType | "BOOTP";
  mac: Mac;
  /** Option 61, else the MAC: as a lease records it. */
  identity: string;
  client: DhcpClient;
  /** Option 60, only what can be printed. */
  vendorClass: string | undefined;
  requestedIp: Ipv4 | undefined;
  serverId: Ipv4 | undefined;
  maxMessageBytes: number | undefined;
  /** The whole message's: a client of BOOTP has no other word for how long an answer may be. */
  messageBytes: number;
  /** Option 118: the subnet to give an address of (RFC 3011). */
  subnetSelection: Ipv4 | undefined;
  relay: RelayAgent;
  /** Option 97. */
  uuid: Uuid | undefined;
  /** Option 61. */
  clientId: ClientId | undefined;
  /** Option 82, where the relay names the port; a relay that names no switch stands for it by its address. */
  relayPort: RelayPort | undefined;
  /** Option 12 when it is a plausible host name. */
  hostname: string | undefined;
};

/** Who is asking, and what it could boot. */
export type DhcpClient =
  | { kind: "system" }
  | { kind: "firmware"; transport: "tftp" | "http"; architecture: Architecture }
  /** Without its `http` feature an iPXE cannot fetch our script. */
  | { kind: "ipxe"; http: boolean; architecture: Architecture };

/** A client that boots. */
export type BootingClient = Exclude<DhcpClient, { kind: "system" }>;

/** Why a message is nothing for a DHCP server of Ethernet clients; these are counter names too. */
export type NoRequest = "not-a-request" | "not-ethernet" | "bad-mac";

export type ReadRequest = { kind: "request"; request: DhcpRequest } | { kind: "ignore"; reason: NoRequest };

/** iPXE's feature list within option 175: 19 is HTTP (ipxe/features.h). */
const ipxeHttpFeature = 19;

/** RFC 951 section 3. */
const leastMessageBytes = 300;

/** Reads who asks for what; throws DecodeError when an option that matters is malformed. */
export function readRequest(packet: DhcpPacket, messageBytes = leastMessageBytes): ReadRequest {
  if (packet.op !== bootRequest) return { kind: "ignore", reason: "not-a-request" };
  const type = readOption(packet.options, option.messageType) ?? "BOOTP";
  if (packet.htype !== ethernet || packet.hlen !== 6) return { kind: "ignore", reason: "not-ethernet" };
  const mac = macFromBytes(packet.chaddr);
  if (mac === undefined) return { kind: "ignore", reason: "bad-mac" };
  const clientId = readOption(packet.options, option.clientId);
  const id = clientId === undefined ? undefined : (Buffer.from(clientId).toString("hex") as ClientId);
  const relay = readRelayAgent(packet);
  return {
    kind: "request",
    request: {
      packet,
      type,
      mac,
      identity: id === undefined ? `mac:${mac}` : `id:${id}`,
      client: readClient(packet, mac),
      vendorClass: printable(readOption(packet.options, option.vendorClass)),
      requestedIp: realAddress(readOption(packet.options, option.requestedIp)),
      serverId: readOption(packet.options, option.serverId),
      maxMessageBytes: readOption(packet.options, option.maxMessageBytes),
      messageBytes,
      subnetSelection: realAddress(readOption(packet.options, option.subnetSelection)),
      relay,
      uuid: readUuid(packet),
      clientId: id === undefined || id.length < 4 ? undefined : id,
      relayPort: relay.circuitId === undefined ? undefined : portOf(relay.circuitId, relay.remoteId, packet),
      hostname: plausibleHostname(readOption(packet.options, option.hostname)),
    },
  };
}

/** Of a board that has none (all zeros, all ones) and of an option that is malformed: none. It is no reason not to boot. */
function readUuid({ options }: DhcpPacket): Uuid | undefined {
  const bytes = options.get(option.machineUuid.code);
  if (bytes?.length !== 17 || bytes[0] !== 0) return undefined;
  return parseUuid(option.machineUuid.value.print(bytes));
}

function portOf(
  circuitId: Uint8Array,
  remoteId: Uint8Array | undefined,
  { giaddr }: DhcpPacket,
): RelayPort | undefined {
  if (circuitId.length === 0) return undefined;
  return relayPortOf(remoteId ?? Buffer.from(giaddr), circuitId);
}

/** The architecture's name, for events; a running system does not tell. */
export function firmwareOf(client: DhcpClient): string {
  return client.kind === "system" ? "unknown" : client.architecture.name;
}

function readClient(packet: DhcpPacket, mac: Mac): DhcpClient {
  const vendorClass = readOption(packet.options, option.vendorClass) ?? "";
  const classes = readOption(packet.options, option.userClass) ?? [];
  const isHttp = vendorClass.startsWith("HTTPClient");
  if (classes.includes("iPXE")) {
    const http = readOption(packet.options, option.ipxe)?.has(ipxeHttpFeature) === true;
    return { kind: "ipxe", http, architecture: preferred(readArchitectures(packet, vendorClass)) };
  }
  if (!isHttp && !vendorClass.startsWith("PXEClient")) return { kind: "system" };
  const codes = readArchitectures(packet, vendorClass);
  if (!isHttp && isRaspberryPi(mac, codes, packet.options.get(option.machineUuid.code))) {
    return { kind: "firmware", transport: "tftp", architecture: raspberryPi };
  }
  return { kind: "firmware", transport: isHttp ? "http" : "tftp", architecture: preferred(codes) };
}

/**
 * Option 93, which may list several (RFC 4578 section 2.1). ROMs older than the option have the number in their vendor
 * class (`PXEClient:Arch:00000:UNDI:002001`), or are BIOS.
 */
function readArchitectures(packet: DhcpPacket, vendorClass: string): readonly number[] {
  return (
    readOption(packet.options, option.architectures) ?? [Number(/:Arch:(\d{5})/.exec(vendorClass)?.[1] ?? 0)]
  );
}

/** The first that we have a loader for, else the first. */
function preferred(codes: readonly number[]): Architecture {
  const known = codes.map(architectureOf);
  return known.find((entry) => entry.loader !== undefined) ?? known[0] ?? architectureOf(0);
}

function realAddress(ip: Ipv4 | undefined): Ipv4 | undefined {
  return ip === noAddress ? undefined : ip;
}

/** What a stranger wrote goes into logs and listings: no control characters, no end of it. */
function printable(text: string | undefined): string | undefined {
  return text?.replaceAll(/[^ -~]/g, ".").slice(0, 128);
}

function plausibleHostname(text: string | undefined): string | undefined {
  return text !== undefined && /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text)
    ? text
    : undefined;
}
