import type { Ipv6 } from "../lib/ipv6.ts";

/** RFC 8415 section 7.3; the numbers of DHCPv6 are not those of DHCPv4. */
export const messageTypes = {
  SOLICIT: 1,
  ADVERTISE: 2,
  REQUEST: 3,
  CONFIRM: 4,
  RENEW: 5,
  REBIND: 6,
  REPLY: 7,
  RELEASE: 8,
  DECLINE: 9,
  RECONFIGURE: 10,
  "INFORMATION-REQUEST": 11,
  "RELAY-FORW": 12,
  "RELAY-REPL": 13,
} as const;

export type MessageType = keyof typeof messageTypes;

/** An option as it stands on the wire: several of one code may follow one another (RFC 8415 section 21.1). */
export type Option6 = { code: number; value: Uint8Array };

/** A message between client and server (RFC 8415 section 8). */
export type Message6 = {
  type: Exclude<MessageType, "RELAY-FORW" | "RELAY-REPL">;
  /** 24 bits. */
  transactionId: number;
  options: readonly Option6[];
};

/** A message between relay agent and server (RFC 8415 section 9); what it carries is in option 9. */
export type Relay6 = {
  type: "RELAY-FORW" | "RELAY-REPL";
  hops: number;
  link: Ipv6;
  peer: Ipv6;
  options: readonly Option6[];
};

export type Packet6 = Message6 | Relay6;

export function isRelay6(packet: Packet6): packet is Relay6 {
  return packet.type === "RELAY-FORW" || packet.type === "RELAY-REPL";
}

/** Codes of the IANA registry "DHCPv6 Option Codes", with the RFC and section of each. */
export const optionCodes = {
  clientId: 1, // 8415 21.2
  serverId: 2, // 8415 21.3
  identityNonTemporary: 3, // 8415 21.4
  identityTemporary: 4, // 8415 21.5
  address: 5, // 8415 21.6
  optionRequest: 6, // 8415 21.7
  preference: 7, // 8415 21.8
  relayMessage: 9, // 8415 21.10
  status: 13, // 8415 21.13
  rapidCommit: 14, // 8415 21.14
  userClass: 15, // 8415 21.15
  vendorClass: 16, // 8415 21.16
  interfaceId: 18, // 8415 21.18
  dnsServers: 23, // 3646 3
  domainList: 24, // 3646 4
  identityPrefix: 25, // 8415 21.21
  remoteId: 37, // 4649 3
  bootFileUrl: 59, // 5970 3.1
  bootFileParameters: 60, // 5970 3.2
  architectures: 61, // 5970 3.3
  networkInterface: 62, // 5970 3.4
  clientLinkLayer: 79, // 6939 4
} as const;

/** RFC 8415 section 21.13. */
export const statusCodes = {
  success: 0,
  unspecified: 1,
  noAddresses: 2,
  noBinding: 3,
  notOnLink: 4,
  noPrefix: 6,
} as const;

export type StatusCode = (typeof statusCodes)[keyof typeof statusCodes];

/** Messages nested in more relays than this are dropped (RFC 8415 section 7.6, HOP_COUNT_LIMIT). */
export const hopLimit = 8;

/** The first option of a code. */
export function find6(options: readonly Option6[], code: number): Uint8Array | undefined {
  return options.find((option) => option.code === code)?.value;
}
