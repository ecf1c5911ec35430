import type { Config } from "../config/config.ts";
import type { BootEvent } from "../model/boot-event.ts";
import { conflictEvents, identify } from "../model/identify.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode } from "../model/node.ts";
import { type BootAnswer, bootAnswer, proxyFields } from "./boot-answer.ts";
import type { BootingClient, DhcpRequest } from "./client.ts";
import { type Destination, destinationOf } from "./destination.ts";
import { loaderRefusals, offered } from "./dhcp-events.ts";
import { linkOf } from "./link.ts";
import { option, optionOf, readOption } from "./option-table.ts";
import type { DhcpPacket } from "./packet.ts";
import { commonOptions, replyHeader } from "./reply.ts";
import type { BootSite } from "./site.ts";

/**
 * What to boot, and nothing else (PXE 2.1 section 2): a server beside the one that gives out addresses. It decides
 * without leases and writes into no reply an address for the client.
 */
export type ProxyView = { directory: Directory; site: BootSite & Pick<Config, "networks"> };

/** Why a request gets no answer; these are counter names too. */
export type ProxySilence =
  | "foreign-relay" // forwarded from a network that is not ours
  | "other-server" // meant for another server
  | "not-booting" // a running system: addresses are not our business
  | "nothing-to-boot" // no loader for it, or not in the inventory and the configuration gives such machines none
  | "conflict" // what it says of itself points to more than one node
  | "not-asked"; // a message type that asks for no boot here

export type ProxyDecision =
  | { kind: "reply"; type: "OFFER"; packet: DhcpPacket; to: Destination; events: readonly BootEvent[] }
  /** Of port 4011: goes to where the request came from. */
  | { kind: "reply"; type: "ACK"; packet: DhcpPacket; to: "sender"; events: readonly BootEvent[] }
  | { kind: "ignore"; reason: ProxySilence; events: readonly BootEvent[] };

/** Boot item (PXE 2.1 table 2-1, tag 71): which entry of a boot menu is asked for; the answer has to name it again. */
const bootItem = 71;

/** Port 67 beside a foreign DHCP server: boot information for a DISCOVER, silence for all else. Never throws. */
export function decideProxy(request: DhcpRequest, view: ProxyView, nowMs: number): ProxyDecision {
  const { client } = request;
  const link = linkOf(request, view.site.networks);
  if (link.kind === "foreign" && link.reason === "foreign-relay") return ignore("foreign-relay");
  if (request.type === "REQUEST") return ignore("other-server", takenAddress(request, view, nowMs));
  if (client.kind === "system") return ignore("not-booting");
  if (request.type !== "DISCOVER") return ignore("not-asked");
  const identity = identify(request, view, nowMs);
  if (identity.kind === "conflict") return ignore("conflict", conflictEvents(request.mac, identity, nowMs));
  const node = identity.kind === "node" ? identity.node : undefined;
  const { answer, packet: offer } = proxyOffer(request, client, node, view.site);
  const told = { request, node, nowMs };
  if (offer === undefined) return ignore("nothing-to-boot", loaderRefusals(told, answer));
  return {
    kind: "reply",
    type: "OFFER",
    packet: offer,
    to: destinationOf("OFFER", request),
    events: [offered(told, { answer })],
  };
}

/** The OFFER of port 67, if there is anything to boot. */
export function proxyOffer(
  request: DhcpRequest,
  client: BootingClient,
  node: ClusterNode | undefined,
  site: BootSite,
): { answer: BootAnswer; packet?: DhcpPacket } {
  const answer = bootAnswer(request, node, site);
  const fields = proxyFields(answer, client.architecture, site);
  if (fields === undefined) return { answer };
  const { options, ...header } = fields;
  return {
    answer,
    packet: {
      ...replyHeader(request.packet),
      ...header,
      options: new Map([...commonOptions("OFFER", request, site), ...options]),
    },
  };
}

/**
 * Port 4011, where PXE firmware asks the server of a proxy's offer for its boot file, with the address it has by then
 * (PXE 2.1 section 2.2.5; EDK2 does so for every proxy's offer). Never throws.
 */
export function decideBootServer(request: DhcpRequest, view: ProxyView, nowMs: number): ProxyDecision {
  const { packet, client, serverId } = request;
  if (request.type !== "REQUEST" && request.type !== "INFORM") return ignore("not-asked");
  if (serverId !== undefined && serverId !== view.site.address) return ignore("other-server");
  if (client.kind === "system") return ignore("not-booting");
  const identity = identify(request, view, nowMs);
  if (identity.kind === "conflict") return ignore("conflict");
  const answer = bootAnswer(request, identity.kind === "node" ? identity.node : undefined, view.site);
  const fields = proxyFields(answer, client.architecture, view.site);
  if (fields === undefined) return ignore("nothing-to-boot");
  const item = menuItem(packet);
  return {
    kind: "reply",
    type: "ACK",
    packet: {
      ...replyHeader(packet),
      ciaddr: packet.ciaddr,
      siaddr: fields.siaddr,
      file: fields.file,
      options: new Map([
        ...commonOptions("ACK", request, view.site),
        ...fields.options,
        ...(item === undefined ? [] : [optionOf(option.vendorOptions, new Map([[bootItem, item]]))]),
      ]),
    },
    to: "sender",
    events: [],
  };
}

function menuItem(packet: DhcpPacket): Uint8Array | undefined {
  return readOption(packet.options, option.vendorOptions)?.get(bootItem);
}

/**
 * What a client takes up of the other server goes past us as well: a broadcast REQUEST that names both. It is how the
 * head knows a machine's address, and whether that is the one in the inventory.
 */
function takenAddress(request: DhcpRequest, view: ProxyView, nowMs: number): BootEvent[] {
  const { requestedIp, serverId } = request;
  const { site } = view;
  if (requestedIp === undefined || serverId === undefined || serverId === site.address) return [];
  const identity = identify(request, view, nowMs);
  if (identity.kind === "conflict") return [];
  const node = identity.kind === "node" ? identity.node : undefined;
  if (node === undefined && site.unknownMachines === "ignore") return [];
  return [offered({ request, node, nowMs }, { ip: requestedIp, server: serverId })];
}

function ignore(reason: ProxySilence, events: readonly BootEvent[] = []): ProxyDecision {
  return { kind: "ignore", reason, events };
}
