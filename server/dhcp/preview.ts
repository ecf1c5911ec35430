import { architectureNamed } from "../model/arch.ts";
import type { DhcpClientKind } from "../model/boot-event.ts";
import type { ClusterNode } from "../model/node.ts";
import type { Mac } from "../lib/mac.ts";
import { macToBytes } from "../lib/mac.ts";
import type { BootingClient, DhcpClient, DhcpRequest } from "./client.ts";
import { settingsOf } from "./option-settings.ts";
import { printOption, wireOrder } from "./option-table.ts";
import { networkOf } from "../model/network.ts";
import { bootRequest, type DhcpPacket, ethernet, noAddress } from "./packet.ts";
import { proxyOffer } from "./proxy.ts";
import { leaseReply } from "./reply.ts";
import type { BootSite, DhcpView } from "./site.ts";

/** What one of a node's clients is given by DHCP. */
export type DhcpPreview = { client: DhcpClientKind; options: readonly PrintedOption[] };

/** `code` is missing for the fields of the header (`yiaddr`, `siaddr`, `file`); `from` where an administrator set it. */
export type PrintedOption = { code?: number; name: string; value: string; from?: string };

/**
 * What the node's firmware, its iPXE and its running system would each be given, in the order of booting. `firmware` is
 * an architecture's name (`bios`, `uefi-x64-http`). Options that only echo the client's own (61, 82, 97) are not in it.
 */
export function previewOptions(
  node: ClusterNode,
  view: Pick<DhcpView, "site" | "directory">,
  firmware: string,
): readonly DhcpPreview[] {
  const architecture = architectureNamed(firmware);
  const { transport } = architecture;
  const clients: DhcpClient[] = [
    { kind: "firmware", transport, architecture },
    { kind: "ipxe", http: true, architecture },
    { kind: "system" },
  ];
  return clients.map((client) => ({ client: client.kind, options: printedReply(node, view, client) }));
}

/** The same beside another DHCP server, which the running system asks alone. */
export function previewProxy(node: ClusterNode, site: BootSite, firmware: string): readonly DhcpPreview[] {
  const [mac] = node.macs;
  if (mac === undefined) return [];
  const architecture = architectureNamed(firmware);
  const clients: BootingClient[] = [
    { kind: "firmware", transport: architecture.transport, architecture },
    { kind: "ipxe", http: true, architecture },
  ];
  return clients.map((client) => {
    const reply = proxyOffer(requestOf(mac, client), client, node, site).packet;
    return { client: client.kind, options: reply === undefined ? [] : printed(reply) };
  });
}

function printedReply(
  node: ClusterNode,
  { site, directory }: Pick<DhcpView, "site" | "directory">,
  client: DhcpClient,
): PrintedOption[] {
  const [mac] = node.macs;
  const network = networkOf(node.ip, site.networks);
  if (mac === undefined || network === undefined) return [];
  const settings = settingsOf(node, network, site, directory);
  const reply = leaseReply("ACK", requestOf(mac, client), { ip: node.ip, node, network, settings }, site);
  return printed(reply).map((line) => {
    const from = settings.get(line.code ?? 0)?.from;
    return { ...line, ...(from === undefined ? {} : { from }) };
  });
}

function printed(reply: DhcpPacket): PrintedOption[] {
  const lines: PrintedOption[] = [];
  if (reply.yiaddr !== noAddress) lines.push({ name: "yiaddr", value: reply.yiaddr });
  if (reply.siaddr !== noAddress) lines.push({ name: "siaddr", value: reply.siaddr });
  if (reply.file !== "") lines.push({ name: "file", value: reply.file });
  for (const code of [...reply.options.keys()].sort(wireOrder)) {
    lines.push({ code, ...printOption(code, reply.options.get(code) ?? new Uint8Array()) });
  }
  return lines;
}

function requestOf(mac: Mac, client: DhcpClient): DhcpRequest {
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(mac));
  return {
    packet: {
      op: bootRequest,
      htype: ethernet,
      hlen: 6,
      hops: 0,
      xid: 0,
      secs: 0,
      flags: 0,
      ciaddr: noAddress,
      yiaddr: noAddress,
      siaddr: noAddress,
      giaddr: noAddress,
      chaddr,
      sname: "",
      file: "",
      options: new Map(),
    },
    type: "REQUEST",
    mac,
    identity: `mac:${mac}`,
    client,
    vendorClass: undefined,
    requestedIp: undefined,
    serverId: undefined,
    maxMessageBytes: undefined,
    messageBytes: 0,
    subnetSelection: undefined,
    relay: { linkSelection: undefined, circuitId: undefined, remoteId: undefined },
    uuid: undefined,
    clientId: undefined,
    relayPort: undefined,
    hostname: undefined,
  };
}
