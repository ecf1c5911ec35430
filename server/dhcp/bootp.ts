import { netmaskOf } from "../lib/ipv4.ts";
import { option, optionOf } from "./option-table.ts";
import type { DhcpPacket } from "./packet.ts";
import { type Grant, replyHeader } from "./reply.ts";

type Options = (readonly [number, Uint8Array])[];

/** RFC 951 section 3: `vend` has 64 bytes, of which the cookie takes four and the end one (RFC 1497). */
const vendorBytes = 64 - 4 - 1;

/**
 * The one reply of BOOTP (RFC 951): an address for as long as the machine has that port. No option that only DHCP has is
 * in it (RFC 1534 section 2), and no more than fits where a client looks that knows the format of 1985; what it could
 * do without is last.
 */
export function bootpReply(
  request: DhcpPacket,
  { ip, node, network }: Grant,
  siaddr: DhcpPacket["siaddr"],
): DhcpPacket {
  const { router, dns, domain, subnet } = network;
  const options: Options = [
    optionOf(option.subnetMask, netmaskOf(subnet)),
    ...(router === undefined ? [] : [optionOf(option.routers, [router])]),
    ...(node === undefined ? [] : [optionOf(option.hostname, node.name)]),
    ...(dns.length === 0 ? [] : [optionOf(option.dns, dns)]),
    optionOf(option.domain, domain),
  ];
  const relayAgent = request.options.get(option.relayAgent.code);
  return {
    ...replyHeader(request),
    ciaddr: request.ciaddr,
    yiaddr: ip,
    siaddr,
    options: new Map([
      ...thatFit(options),
      // The relay takes it out before the client sees it (RFC 3046 section 2.1).
      ...(relayAgent === undefined ? [] : [[option.relayAgent.code, relayAgent] as const]),
    ]),
  };
}

function thatFit(options: Options): Options {
  let room = vendorBytes;
  return options.filter(([, value]) => {
    const size = value.length + 2;
    if (size > room) return false;
    room -= size;
    return true;
  });
}
