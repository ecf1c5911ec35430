import { type Ipv4, broadcastOf, netmaskOf, parseIpv4 } from "../lib/ipv4.ts";
import type { Network } from "../model/network.ts";
import type { ClusterNode } from "../model/node.ts";
import { bootAnswer, type BootFields, bootFields } from "./boot-answer.ts";
import type { DhcpRequest } from "./client.ts";
import { type Settings, withSettings } from "./option-settings.ts";
import { option, optionOf } from "./option-table.ts";
import { keptFor } from "./kept.ts";
import { type DhcpPacket, bootReply, broadcastFlag, fileBytes, noAddress } from "./packet.ts";
import type { DhcpSite } from "./site.ts";

type Options = (readonly [number, Uint8Array])[];

/** What a client is given, and in which network. */
export type Grant = { ip: Ipv4; network: Network; node: ClusterNode | undefined; settings: Settings };

/**
 * An OFFER, or the ACK of a REQUEST. Everything we have is sent, asked for in option 55 or not: it is little, and
 * `render` can then show exactly what a node gets.
 */
export function leaseReply(
  type: "OFFER" | "ACK",
  request: DhcpRequest,
  grant: Grant,
  site: DhcpSite,
): DhcpPacket {
  const { ip, node } = grant;
  const boot = bootFields(bootAnswer(request, node, site), site);
  const options = together(
    commonOptions(type, request, site),
    leaseTimes(grant.network),
    networkOptions(grant),
    boot.options,
  );
  const reply = replyHeader(request.packet);
  // RFC 2131 table 3: a renewal's `ciaddr` comes back, an OFFER has none.
  if (type === "ACK") reply.ciaddr = request.packet.ciaddr;
  reply.yiaddr = ip;
  setBootHeader(reply, boot, grant.settings);
  reply.options = withSettings(options, grant.settings);
  return reply;
}

/** The answer to INFORM: parameters only, no address and no times (RFC 2131 section 4.3.5). */
export function informReply(request: DhcpRequest, grant: Omit<Grant, "ip">, site: DhcpSite): DhcpPacket {
  const { node } = grant;
  const boot = bootFields(bootAnswer(request, node, site), site);
  const options = together(commonOptions("ACK", request, site), networkOptions(grant), boot.options);
  const reply = replyHeader(request.packet);
  reply.ciaddr = request.packet.ciaddr;
  setBootHeader(reply, boot, grant.settings);
  reply.options = withSettings(options, grant.settings);
  return reply;
}

/** Firmware may read the boot file and its server here or in options 67 and 66: where those are set, the header says the same. */
export function setBootHeader(
  reply: DhcpPacket,
  boot: Pick<BootFields, "siaddr" | "file">,
  settings: Settings,
): void {
  const textOf = (code: number): string | undefined => {
    const value = settings.get(code)?.value;
    return value === undefined ? undefined : option.bootFile.value.decode(value);
  };
  const file = textOf(option.bootFile.code) ?? boot.file;
  const server = textOf(option.tftpServer.code);
  reply.siaddr = (server === undefined ? undefined : parseIpv4(server)) ?? boot.siaddr;
  reply.file = file.length < fileBytes ? file : "";
}

/** A refusal with its reason in words. Through a relay it has to be broadcast there (RFC 2131 section 4.3.2). */
export function nakReply(request: DhcpRequest, message: string, site: DhcpSite): DhcpPacket {
  const header = replyHeader(request.packet);
  return {
    ...header,
    flags: header.giaddr === noAddress ? header.flags : header.flags | broadcastFlag,
    options: together(commonOptions("NAK", request, site), [optionOf(option.message, message)]),
  };
}

/** Of an option that is given twice the later one counts. */
function together(...parts: readonly Options[]): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (const part of parts) for (const [code, value] of part) options.set(code, value);
  return options;
}

/** An offer of nothing: the client is not to make up an address for itself, 169.254.x.y (RFC 2563 section 2.3). */
export function noAddressReply(request: DhcpRequest, site: DhcpSite): DhcpPacket {
  const doNotAutoConfigure = 0;
  return {
    ...replyHeader(request.packet),
    options: together(commonOptions("OFFER", request, site), [
      optionOf(option.autoConfigure, doNotAutoConfigure),
    ]),
  };
}

/** A reply's header, with the client's own fields and no address of any kind. */
export function replyHeader(packet: DhcpPacket): DhcpPacket {
  return {
    op: bootReply,
    htype: packet.htype,
    hlen: packet.hlen,
    hops: 0,
    xid: packet.xid,
    secs: 0,
    flags: packet.flags,
    ciaddr: noAddress,
    yiaddr: noAddress,
    siaddr: noAddress,
    giaddr: packet.giaddr,
    chaddr: packet.chaddr,
    sname: "",
    file: "",
    options: new Map(),
  };
}

/** What every reply carries; the client's own 61 (RFC 6842 section 3), 97 and 118 (RFC 3011), and the relay's 82, come back as sent. */
export function commonOptions(
  type: "OFFER" | "ACK" | "NAK",
  request: DhcpRequest,
  site: Pick<DhcpSite, "address">,
): Options {
  const options = [messageTypes[type], serverId(site)];
  for (const { code } of type === "NAK" ? echoedByNak : echoed) {
    const value = request.packet.options.get(code);
    if (value !== undefined) options.push([code, value]);
  }
  return options;
}

const echoedByNak = [option.clientId, option.relayAgent];
const echoed = [option.clientId, option.machineUuid, option.subnetSelection, option.relayAgent];

const messageTypes = {
  OFFER: optionOf(option.messageType, "OFFER"),
  ACK: optionOf(option.messageType, "ACK"),
  NAK: optionOf(option.messageType, "NAK"),
};

const serverId = keptFor((site: Pick<DhcpSite, "address">) => optionOf(option.serverId, site.address));

const leaseTimes = keptFor(({ leaseSeconds }: Network): Options => [
  optionOf(option.leaseSeconds, leaseSeconds),
  // RFC 2131 section 4.4.5: half and seven eighths of the lease.
  optionOf(option.renewSeconds, Math.floor(leaseSeconds / 2)),
  optionOf(option.rebindSeconds, Math.floor((leaseSeconds * 7) / 8)),
]);

const hostname = keptFor((node: ClusterNode) => optionOf(option.hostname, node.name));

function networkOptions({ network, node }: Omit<Grant, "ip">): Options {
  const options = optionsOfNetwork(network);
  return node === undefined ? options : [...options, hostname(node)];
}

const optionsOfNetwork = keptFor((network: Network): Options => {
  const options: Options = [
    optionOf(option.subnetMask, netmaskOf(network.subnet)),
    optionOf(option.broadcast, broadcastOf(network.subnet)),
    optionOf(option.domain, network.domain),
  ];
  if (network.router !== undefined) options.push(optionOf(option.routers, [network.router]));
  if (network.dns.length > 0) options.push(optionOf(option.dns, network.dns));
  return options;
});
