import { AppError } from "../lib/errors.ts";
import { type Mac, macFromBytes } from "../lib/mac.ts";
import { ethernetLink, linkAddress, linkAddressBytes } from "./ethernet-link.ts";
import { addWords, checksumOf } from "./internet-checksum.ts";
import { type Libc, errnoName, lastErrno, sharedLibc } from "./libc.ts";
import {
  AF_INET,
  AF_PACKET,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_NONBLOCK,
  SOCK_CLOEXEC,
  IPPROTO_ICMP,
  MSG_DONTWAIT,
} from "./linux.ts";

/**
 * Asks whether anybody has an address: by ARP on the device's own wire (RFC 5227 section 2.1.1), by an ICMP echo where
 * routers lie between. Addresses are numbers (`ipv4FromNumber`).
 */
export type AddressProbe = {
  /** Asks once; that nobody answers is seen by the answer not coming. A question that cannot be sent is none. */
  ask: (address: number, by: ProbeMeans) => void;
  /** What has come since the last call; it does not wait. */
  answers: () => ProbeAnswer[];
  close: () => void;
};

export type ProbeMeans = "arp" | "echo";

/** `mac`: whose answer it is, when it came by ARP. */
export type ProbeAnswer = { address: number; mac?: Mac };

// Linux: packet(7), raw(7), socket(7).
const ETH_P_ARP = 0x0806;
/** struct sockaddr_in (ip(7)). */
const inetBytes = 16;

// RFC 826 and RFC 792.
const arpRequest = 1;
const arpReply = 2;
const arpBytes = 28;
const echoRequest = 8;
const echoReply = 0;
const echoBytes = 16;

/** @throws AppError("environment") without CAP_NET_RAW, or when there is no such device. */
export function openAddressProbe(device: string): AddressProbe {
  return new Probe(device);
}

class Probe implements AddressProbe {
  readonly #libc: Libc = sharedLibc();
  readonly #arp: number;
  readonly #echo: number;
  readonly #everybody: Buffer;
  readonly #question: Buffer;
  readonly #received = Buffer.alloc(2048);

  constructor(device: string) {
    const { index, mac } = ethernetLink(device);
    this.#everybody = linkAddress(index, ETH_P_ARP, Buffer.alloc(6, 0xff));
    this.#question = arpQuestion(mac);
    this.#arp = this.#open(AF_PACKET, SOCK_DGRAM, swap16(ETH_P_ARP));
    try {
      this.#check(
        this.#libc.bind(this.#arp, linkAddress(index, ETH_P_ARP, Buffer.alloc(6)), linkAddressBytes),
      );
      this.#echo = this.#open(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    } catch (error) {
      this.#libc.close(this.#arp);
      throw error;
    }
  }

  ask(address: number, by: ProbeMeans): void {
    if (by === "arp") {
      this.#question.writeUInt32BE(address, 24);
      this.#send(this.#arp, this.#question, this.#everybody);
      return;
    }
    const to = Buffer.alloc(inetBytes);
    to.writeUInt16LE(AF_INET, 0);
    to.writeUInt32BE(address, 4);
    this.#send(this.#echo, echo(), to);
  }

  answers(): ProbeAnswer[] {
    const found: ProbeAnswer[] = [];
    for (let bytes = this.#receive(this.#arp); bytes !== undefined; bytes = this.#receive(this.#arp)) {
      if (bytes.length < arpBytes || bytes.readUInt16BE(6) !== arpReply) continue;
      const mac = macFromBytes(bytes.subarray(8, 14));
      found.push({ address: bytes.readUInt32BE(14), ...(mac === undefined ? {} : { mac }) });
    }
    for (let bytes = this.#receive(this.#echo); bytes !== undefined; bytes = this.#receive(this.#echo)) {
      const headerBytes = ((bytes[0] ?? 0) & 15) * 4; // a raw socket has the IP header before it
      if (bytes.length >= headerBytes + 8 && bytes[headerBytes] === echoReply) {
        found.push({ address: bytes.readUInt32BE(12) });
      }
    }
    return found;
  }

  close(): void {
    this.#libc.close(this.#arp);
    this.#libc.close(this.#echo);
  }

  #open(family: number, type: number, protocol: number): number {
    const fd = this.#libc.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    this.#check(fd);
    return fd;
  }

  #send(fd: number, bytes: Buffer, to: Buffer): void {
    this.#libc.sendto(fd, bytes, BigInt(bytes.length), MSG_DONTWAIT, to, to.length);
  }

  #receive(fd: number): Buffer | undefined {
    const length = Number(this.#libc.recv(fd, this.#received, BigInt(this.#received.length), MSG_DONTWAIT));
    return length < 0 ? undefined : this.#received.subarray(0, length);
  }

  #check(result: number): void {
    if (result >= 0) return;
    throw new AppError("environment", `cannot probe addresses: ${errnoName(lastErrno(this.#libc))}`, {
      hint: "run as root, or grant CAP_NET_RAW",
    });
  }
}

/** From 0.0.0.0, so that nobody puts a wrong entry into his table by it (RFC 5227 section 1.1). */
function arpQuestion(mac: Buffer): Buffer {
  const bytes = Buffer.alloc(arpBytes);
  bytes.set([0, 1, 8, 0, 6, 4, 0, arpRequest]); // Ethernet, IPv4, lengths of both addresses
  mac.copy(bytes, 8);
  return bytes;
}

function echo(): Buffer {
  const bytes = Buffer.alloc(echoBytes);
  bytes[0] = echoRequest;
  bytes.writeUInt16BE(checksumOf(addWords(bytes, 0, echoBytes)), 2);
  return bytes;
}

function swap16(value: number): number {
  return ((value & 255) << 8) | (value >>> 8);
}
