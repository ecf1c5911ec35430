import type { DhcpQuestion } from "../doctor/other-servers.ts";
import { decode } from "../dhcp/decode.ts";
import { encode } from "../dhcp/encode.ts";
import { option } from "../dhcp/option-table.ts";
import {
  bootReply,
  bootRequest,
  broadcastFlag,
  type DhcpPacket,
  ethernet,
  noAddress,
} from "../dhcp/packet.ts";
import { DecodeError } from "../lib/errors.ts";
import type { Mac } from "../lib/mac.ts";

/** A DISCOVER of this port, and how to read the offers to it. */
export function dhcpQuestion(mac: Mac, xid: number): DhcpQuestion {
  const packet: DhcpPacket = {
    op: bootRequest,
    htype: ethernet,
    hlen: 6,
    hops: 0,
    xid,
    secs: 0,
    // We do not own what is offered (RFC 2131 section 4.1).
    flags: broadcastFlag,
    ciaddr: noAddress,
    yiaddr: noAddress,
    siaddr: noAddress,
    giaddr: noAddress,
    chaddr: Buffer.from(mac.replaceAll(":", "").padEnd(32, "0"), "hex"),
    sname: "",
    file: "",
    options: new Map([[option.messageType.code, option.messageType.value.encode("DISCOVER")]]),
  };
  return {
    discover: encode(packet).bytes,
    serverOf: (bytes) => {
      try {
        const reply = decode(bytes);
        const server = reply.options.get(option.serverId.code);
        if (reply.op !== bootReply || reply.xid !== xid || server === undefined) return undefined;
        return option.serverId.value.decode(server);
      } catch (error) {
        if (error instanceof DecodeError) return undefined;
        throw error;
      }
    },
  };
}
