import { option, optionOf, readOption } from "../dhcp/option-table.ts";
import type { MessageType } from "../dhcp/option-values.ts";
import { bootRequest, broadcastFlag, type DhcpPacket, ethernet, noAddress } from "../dhcp/packet.ts";
import { DecodeError } from "../lib/errors.ts";
import { type Ipv4, ipv4ToNumber } from "../lib/ipv4.ts";
import { macToBytes } from "../lib/mac.ts";
import type { DhcpProfile, ProfileMachine } from "./dhcp-profiles.ts";
import { BootFailure, type Event, pause, type Walk } from "./effects.ts";

/** What a client has after its ACK. */
export type Address = { ip: Ipv4; bits: number; server: Ipv4; ack: DhcpPacket };

/** A NAK sends the client back to DISCOVER; after so many it is no use. */
const nakLimit = 3;

/** DISCOVER to ACK, repeated as this client repeats. @throws BootFailure when it gives up */
export function* acquire(
  profile: DhcpProfile,
  machine: ProfileMachine,
  xid: number,
  isOffer: (packet: DhcpPacket) => boolean = () => true,
): Walk<Address> {
  for (let naks = 0; naks < nakLimit; naks += 1) {
    const offer = yield* discover(profile, machine, xid, isOffer);
    yield* pause(profile.chooseMs, "firmware");
    const server = readOption(offer.options, option.serverId) ?? offer.siaddr;
    const answer = yield* request(profile, machine, xid, offer.yiaddr, server);
    if (typeOf(answer) === "NAK") continue;
    const mask = readOption(answer.options, option.subnetMask) ?? ("255.255.255.255" as Ipv4);
    const bits = 32 - Math.round(Math.log2(2 ** 32 - ipv4ToNumber(mask)));
    yield { kind: "address", ip: answer.yiaddr, bits };
    return { ip: answer.yiaddr, bits, server, ack: answer };
  }
  throw new BootFailure(`${profile.name}: its address was refused ${nakLimit} times (NAK)`);
}

function* discover(
  profile: DhcpProfile,
  machine: ProfileMachine,
  xid: number,
  isOffer: (packet: DhcpPacket) => boolean,
): Walk<DhcpPacket> {
  let foreign = false;
  for (const [attempt, waitMs] of profile.discoverWaitsMs.entries()) {
    const options = [optionOf(option.messageType, "DISCOVER"), ...profile.discover(machine)];
    let event = yield { kind: "dhcp", packet: message(profile, machine, xid, attempt, options), waitMs };
    while (event.kind === "dhcp") {
      if (typeOf(event.packet) === "OFFER" && event.packet.yiaddr !== noAddress) {
        if (isOffer(event.packet)) return event.packet;
        foreign = true;
      }
      event = yield { kind: "dhcp" };
    }
    requireSilence(event);
  }
  const seconds = Math.round(profile.discoverWaitsMs.reduce((sum, waitMs) => sum + waitMs, 0) / 1000);
  throw foreign
    ? new BootFailure(
        `${profile.name}: offered an address, but nothing to boot that this firmware takes`,
        "provision why, and look at options 60, 66 and 67 of the offer",
      )
    : new BootFailure(
        `${profile.name}: no DHCP server offered an address within ${seconds} s`,
        "is the head running, does it serve this network, and is there room in its pool?",
      );
}

function* request(
  profile: DhcpProfile,
  machine: ProfileMachine,
  xid: number,
  ip: Ipv4,
  server: Ipv4,
): Walk<DhcpPacket> {
  for (const [attempt, waitMs] of profile.requestWaitsMs.entries()) {
    const options = [
      optionOf(option.messageType, "REQUEST"),
      optionOf(option.serverId, server),
      optionOf(option.requestedIp, ip),
      ...profile.request(machine),
    ];
    let event = yield { kind: "dhcp", packet: message(profile, machine, xid, attempt + 1, options), waitMs };
    while (event.kind === "dhcp") {
      const type = typeOf(event.packet);
      if (type === "ACK" || type === "NAK") return event.packet;
      event = yield { kind: "dhcp" };
    }
    requireSilence(event);
  }
  throw new BootFailure(`${profile.name}: ${ip} was offered by ${server} but never acknowledged`);
}

function message(
  profile: DhcpProfile,
  { mac }: ProfileMachine,
  xid: number,
  attempt: number,
  options: readonly (readonly [number, Uint8Array])[],
): DhcpPacket {
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(mac));
  return {
    op: bootRequest,
    htype: ethernet,
    hlen: 6,
    hops: 0,
    xid,
    secs: profile.secs(attempt),
    // Whatever the real one says: it has an Ethernet address of its own to be answered at.
    flags: broadcastFlag,
    ciaddr: noAddress,
    yiaddr: noAddress,
    siaddr: noAddress,
    giaddr: noAddress,
    chaddr,
    sname: "",
    file: "",
    options: new Map(options),
  };
}

function typeOf(packet: DhcpPacket): MessageType | undefined {
  try {
    return readOption(packet.options, option.messageType);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function requireSilence(event: Event): void {
  if (event.kind === "broken") throw new BootFailure(`DHCP cannot be sent: ${event.message}`);
}
