import type { Ipv4 } from "../lib/ipv4.ts";

/** A DHCP message with the field names of RFC 2131 section 2; what the options say is read by option-table.ts. */
export type DhcpPacket = {
  /** 1: from a client (BOOTREQUEST), 2: from a server (BOOTREPLY). */
  op: number;
  /** Hardware type; 1 is Ethernet. */
  htype: number;
  /** How many bytes of `chaddr` count. */
  hlen: number;
  hops: number;
  xid: number;
  secs: number;
  /** Bit 15: the client cannot take unicast yet, answer by broadcast. */
  flags: number;
  ciaddr: Ipv4;
  yiaddr: Ipv4;
  siaddr: Ipv4;
  giaddr: Ipv4;
  /** All 16 bytes. */
  chaddr: Uint8Array;
  /** Up to 63 characters, Latin-1; empty when the field carried options (option 52). */
  sname: string;
  /** Up to 127 characters, Latin-1; empty when the field carried options (option 52). */
  file: string;
  /** Values as on the wire, by code, pieces of one option joined (RFC 3396). Options 0, 52 and 255 are not in it. */
  options: ReadonlyMap<number, Uint8Array>;
};

export const bootRequest = 1;
export const bootReply = 2;
export const ethernet = 1;

/** Of `flags`: the client takes no unicast before it has its address (RFC 2131 section 2). */
export const broadcastFlag = 0x8000;

export const noAddress = "0.0.0.0" as Ipv4;

/** Bytes before the options field, or BOOTP's vendor field (RFC 951 section 3), and the cookie that it begins with. */
export const cookieAt = 236;
export const cookieBytes = 4;
/** Bytes before the options: the fixed fields and the magic cookie. */
export const headerBytes = 240;
/** RFC 2131 section 3: the first four bytes of the options field. */
export const magicCookie = 0x63825363;
export const snameBytes = 64;
export const fileBytes = 128;

/** Options that belong to the format and carry no value of their own. */
export const padCode = 0;
export const overloadCode = 52;
export const endCode = 255;
/** RFC 3046 section 2.0: a relay finds its own option at the end. */
export const relayAgentCode = 82;
