import { netmaskOf } from "../lib/ipv4.ts";
import type { DhcpRequest } from "./client.ts";
import { option, optionOf, wireOrder } from "./option-table.ts";
import { cookieAt, cookieBytes, type DhcpPacket } from "./packet.ts";
import { type Grant, replyHeader, setBootHeader } from "./reply.ts";

type Options = (readonly [number, Uint8Array])[];

/** RFC 951 section 3: what every client has room for; RFC 2131 section 2: what a client of DHCP's size has. */
const vendorBytes = { least: 64, most: 312 } as const;
const endBytes = 1;
/** Longer values go in pieces (RFC 3396), which is younger than BOOTP. */
const longestValue = 255;

/** What a client without a disk cannot do without, the first first; the rest follows as DHCP's options do. */
const urgent: readonly number[] = [
  option.subnetMask,
  option.routers,
  option.rootPath,
  option.hostname,
  option.dns,
  option.domain,
].map(({ code }) => code);

/** Options that are about leases and DHCP's own messages (RFC 2132 section 9): no client of BOOTP knows them (RFC 1534 section 2). */
const dhcpOnly: ReadonlySet<number> = new Set([50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 66, 67]);

/**
 * The one reply of BOOTP (RFC 951): an address for as long as the machine has that port. The options are DHCP's, computed and
 * set, as many as the client shows room for: the request's own vendor field is as long as the reply's may be (RFC 1542
 * section 2.1). Where DHCP has options 66 and 67 it has fields. `leftOut`: what is set and did not fit.
 */
export function bootpReply(
  request: DhcpRequest,
  grant: Grant,
  siaddr: DhcpPacket["siaddr"],
): { packet: DhcpPacket; leftOut: readonly number[] } {
  const { packet, messageBytes } = request;
  const relayAgent = packet.options.get(option.relayAgent.code);
  // The relay has put its own into the request, and takes it out before the client sees the reply (RFC 3046 section 2.1).
  const relayBytes = relayAgent === undefined ? 0 : relayAgent.length + 2;
  const shown = messageBytes - cookieAt - relayBytes;
  const room = Math.min(Math.max(shown, vendorBytes.least), vendorBytes.most) - cookieBytes - endBytes;
  const { fitting, leftOut } = thatFit(optionsFor(grant), room);
  const reply = replyHeader(packet);
  reply.ciaddr = packet.ciaddr;
  reply.yiaddr = grant.ip;
  setBootHeader(reply, { siaddr, file: "" }, grant.settings);
  const options = new Map(fitting);
  if (relayAgent !== undefined) options.set(option.relayAgent.code, relayAgent);
  reply.options = options;
  return { packet: reply, leftOut: leftOut.filter((code) => grant.settings.has(code)) };
}

/** The most urgent first. */
function optionsFor({ node, network, settings }: Grant): Options {
  const { router, dns, domain, subnet } = network;
  const options = new Map<number, Uint8Array>([
    optionOf(option.subnetMask, netmaskOf(subnet)),
    ...(router === undefined ? [] : [optionOf(option.routers, [router])]),
    ...(node === undefined ? [] : [optionOf(option.hostname, node.name)]),
    ...(dns.length === 0 ? [] : [optionOf(option.dns, dns)]),
    optionOf(option.domain, domain),
  ]);
  for (const [code, { value }] of settings) if (!dhcpOnly.has(code)) options.set(code, value);
  const urgency = (code: number): number => (urgent.includes(code) ? urgent.indexOf(code) : urgent.length);
  return [...options].toSorted(([left], [right]) => urgency(left) - urgency(right) || wireOrder(left, right));
}

/** What is too long is passed over for what is less urgent and still fits. */
function thatFit(options: Options, roomBytes: number): { fitting: Options; leftOut: number[] } {
  let room = roomBytes;
  const leftOut: number[] = [];
  const fitting = options.filter(([code, value]) => {
    const size = value.length + 2;
    if (size <= room && value.length <= longestValue) {
      room -= size;
      return true;
    }
    leftOut.push(code);
    return false;
  });
  return { fitting, leftOut };
}
