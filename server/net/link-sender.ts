import { AppError } from "../lib/errors.ts";
import { type Mac, macToBytes } from "../lib/mac.ts";
import { ethernetLink, linkAddress, linkAddressMacAt } from "./ethernet-link.ts";
import { addWords, checksumOf } from "./internet-checksum.ts";
import { type Libc, errnoName, lastErrno, sharedLibc } from "./libc.ts";
import { AF_PACKET, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "./linux.ts";

/**
 * Sends UDP datagrams to a machine on the device's own wire by its Ethernet address: for one that has been given an address
 * and does not answer ARP for it yet. Addresses are numbers (`ipv4FromNumber`).
 */
export type LinkSender = {
  /** At once. False: the kernel would not (the device is gone or down, its queue is full). */
  send: (bytes: Uint8Array, to: { mac: Mac; address: number; port: number }) => boolean;
  close: () => void;
};

// linux/if_ether.h.
const ETH_P_IP = 0x0800;

/** RFC 791 and RFC 768; no IP options. */
const ipBytes = 20;
const udpBytes = 8;
const headBytes = ipBytes + udpBytes;
const protocolUdp = 17;
/** What fits into a frame. */
const packetBytes = 1500;

/** @throws AppError("environment") without CAP_NET_RAW, or when there is no such device. */
export function openLinkSender(device: string, from: { address: number; port: number }): LinkSender {
  return new Sender(device, from);
}

class Sender implements LinkSender {
  readonly #libc: Libc = sharedLibc();
  readonly #fd: number;
  readonly #to: Buffer;
  readonly #packet = Buffer.alloc(packetBytes);

  constructor(device: string, from: { address: number; port: number }) {
    this.#to = linkAddress(ethernetLink(device).index, ETH_P_IP, Buffer.alloc(6));
    // Protocol 0: a packet socket that receives nothing.
    this.#fd = this.#libc.socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (this.#fd < 0) {
      throw new AppError(
        "environment",
        `no packet socket on ${device}: ${errnoName(lastErrno(this.#libc))}`,
        {
          hint: "run as root, or grant CAP_NET_RAW",
        },
      );
    }
    const packet = this.#packet;
    packet[0] = 0x45; // version 4, five words
    packet.writeUInt16BE(0x4000, 6); // not to be cut into pieces
    packet[8] = 64; // hops
    packet[9] = protocolUdp;
    packet.writeUInt32BE(from.address, 12);
    packet.writeUInt16BE(from.port, ipBytes);
  }

  send(bytes: Uint8Array, { mac, address, port }: { mac: Mac; address: number; port: number }): boolean {
    const packet = this.#packet;
    const length = headBytes + bytes.length;
    if (length > packetBytes) return false;
    packet.set(bytes, headBytes);
    packet.writeUInt16BE(length, 2);
    packet.writeUInt16BE(0, 10);
    packet.writeUInt32BE(address, 16);
    packet.writeUInt16BE(checksumOf(addWords(packet, 0, ipBytes)), 10);
    packet.writeUInt16BE(port, ipBytes + 2);
    packet.writeUInt16BE(udpBytes + bytes.length, ipBytes + 4);
    packet.writeUInt16BE(0, ipBytes + 6);
    packet.writeUInt16BE(this.#udpChecksum(length), ipBytes + 6);
    this.#to.set(macToBytes(mac), linkAddressMacAt);
    return this.#libc.sendto(this.#fd, packet, BigInt(length), MSG_DONTWAIT, this.#to, this.#to.length) >= 0;
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  /** With both addresses, the protocol and the length before it (RFC 768); 0 would say that there is none. */
  #udpChecksum(length: number): number {
    const pseudo = addWords(this.#packet, 12, ipBytes, protocolUdp + length - ipBytes);
    return checksumOf(addWords(this.#packet, ipBytes, length, pseudo)) || 0xffff;
  }
}
