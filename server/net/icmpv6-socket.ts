import { AppError } from "../lib/errors.ts";
import { type Ipv6, ipv6FromBytes, ipv6ToBytes, parseIpv6 } from "../lib/ipv6.ts";
import { watchDescriptor } from "./descriptor-watch.ts";
import { errnoName, lastErrno, sharedLibc } from "./libc.ts";
import {
  AF_INET6,
  SOCK_RAW,
  SOCK_NONBLOCK,
  SOCK_CLOEXEC,
  SOL_SOCKET,
  SO_BINDTODEVICE,
  IPPROTO_IPV6,
  IPPROTO_ICMPV6,
} from "./linux.ts";

export type Icmpv6Socket = {
  /** Sent to one machine or group of the device's link; the kernel writes the checksum. What cannot be sent is dropped. */
  send: (bytes: Uint8Array, to: Ipv6) => void;
  close: () => void;
};

export type Icmpv6Options = {
  device: string;
  /** The one ICMPv6 type that is wanted. */
  type: number;
  /** The multicast group by which it comes. */
  group: Ipv6;
  onMessage: (bytes: Uint8Array, source: Ipv6) => void;
};

// Linux; the same numbers on amd64 and arm64 (linux/in6.h, linux/icmpv6.h, asm-generic/socket.h).
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_JOIN_GROUP = 20;
const ICMPV6_FILTER = 1;

/** RFC 4861 section 4: a neighbour takes nothing that has come through a router. */
const neighbourHops = 255;
/** struct sockaddr_in6 (ipv6(7)): family, port, flow, address, scope. */
const addressBytes = 28;
const addressAt = 8;
/** Read in one turn: more than a rack's worth. */
const batch = 256;

/** A raw ICMPv6 socket bound to the device. @throws AppError "environment" where the process may not, or there is no IPv6. */
export function openIcmpv6Socket({ device, type, group, onMessage }: Icmpv6Options): Icmpv6Socket {
  const libc = sharedLibc();
  const fd = libc.socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6);
  const check = (result: number, call: string): void => {
    if (result >= 0) return;
    const name = errnoName(lastErrno(libc));
    if (fd >= 0) libc.close(fd);
    throw new AppError("environment", `no ICMPv6 on ${device}: ${call}: ${name}`);
  };
  check(fd, "socket");
  const set = (level: number, option: number, value: Buffer, call: string): void =>
    check(libc.setsockopt(fd, level, option, value, value.length), call);
  set(SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`), "SO_BINDTODEVICE");
  set(IPPROTO_ICMPV6, ICMPV6_FILTER, onlyType(type), "ICMPV6_FILTER");
  for (const option of [IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS]) {
    set(IPPROTO_IPV6, option, int32(neighbourHops), "hop limit");
  }
  const index = libc.if_nametoindex(Buffer.from(`${device}\0`));
  set(IPPROTO_IPV6, IPV6_JOIN_GROUP, Buffer.concat([ipv6ToBytes(group), int32(index)]), "IPV6_JOIN_GROUP");

  const message = Buffer.alloc(2048);
  const from = Buffer.alloc(addressBytes);
  const read = (): void => {
    for (let count = 0; count < batch; count += 1) {
      const length = Number(libc.recvfrom(fd, message, BigInt(message.length), 0, from, int32(addressBytes)));
      if (length < 0) return; // EAGAIN, or an error that is gone once it has been read
      onMessage(
        Uint8Array.from(message.subarray(0, length)),
        ipv6FromBytes(from.subarray(addressAt, addressAt + 16)),
      );
    }
  };
  const watch = watchDescriptor(fd, read);
  return {
    send: (bytes, to) => {
      const address = Buffer.alloc(addressBytes);
      address.writeUInt16LE(AF_INET6, 0);
      address.set(ipv6ToBytes(to), addressAt);
      address.writeUInt32LE(index, addressAt + 16);
      libc.sendto(fd, Buffer.from(bytes), BigInt(bytes.length), 0, address, address.length);
    },
    close: () => {
      watch.close();
      libc.close(fd);
    },
  };
}

/** RFC 3542 section 3.2: a set bit blocks its type. */
function onlyType(type: number): Buffer {
  const words = Buffer.alloc(32, 0xff);
  const at = (type >> 5) * 4;
  words.writeUInt32LE((0xffffffff & ~(1 << (type & 31))) >>> 0, at);
  return words;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** The zone that Node adds to a link-local address (`fe80::1%eth1`) is its socket's own device. */
export function withoutZone(address: string): Ipv6 | undefined {
  return parseIpv6(address.replace(/%.*/, ""));
}
