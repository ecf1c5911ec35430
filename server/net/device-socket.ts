import dgram from "node:dgram";
import { once } from "node:events";
import { AppError } from "../lib/errors.ts";
import { type Ipv4, ipv4ToNumber } from "../lib/ipv4.ts";
import { type Ipv6, ipv6ToBytes } from "../lib/ipv6.ts";
import { type Libc, errnoName, lastErrno, sharedLibc } from "./libc.ts";
import { ownerOfPort } from "./port-owner.ts";
import {
  AF_INET,
  AF_INET6,
  SOCK_STREAM,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_CLOEXEC,
  SOL_SOCKET,
  SO_BINDTODEVICE,
  IPPROTO_IPV6,
} from "./linux.ts";

/**
 * Sockets that belong to one network device (SO_BINDTODEVICE, socket(7)): what comes in by another interface is not
 * seen, and nothing goes out by another one, whatever the routes say. Node has no option for it, so libc makes the
 * socket, through node:ffi, and Node takes over the descriptor.
 */
export type DeviceAddress = { device: string; address: Ipv4 | Ipv6; port: number };

// Linux; the same numbers on amd64 and arm64 (asm-generic/socket.h, asm-generic/fcntl.h).
const SO_REUSEADDR = 2;
const SO_BROADCAST = 6;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const IPV6_V6ONLY = 26;

/** Room for a rack's DISCOVERs that arrive while one database commit is under way, and for a rack's first blocks. */
const bufferBytes = 4 * 1024 * 1024;

/** A UDP socket bound to the device, that may also send broadcasts by it. `address` "0.0.0.0" receives broadcasts. */
export async function deviceUdpSocket(place: DeviceAddress): Promise<dgram.Socket> {
  const fd = deviceUdpDescriptor(place);
  const socket = dgram.createSocket(isIpv6(place.address) ? "udp6" : "udp4");
  // A socket that takes over a descriptor says so at once, inside bind(): listen for it before.
  const listening = once(socket, "listening");
  socket.bind({ fd });
  await listening;
  return socket;
}

/** The same as a descriptor that does not block, and is the caller's to close. */
export function deviceUdpDescriptor(place: DeviceAddress): number {
  const libc = sharedLibc();
  const fd = openBound(libc, SOCK_DGRAM, place);
  setInteger(libc, fd, SO_BROADCAST, 1, place);
  setBuffer(libc, fd, { forced: SO_RCVBUFFORCE, asked: SO_RCVBUF }, place);
  setBuffer(libc, fd, { forced: SO_SNDBUFFORCE, asked: SO_SNDBUF }, place);
  return fd;
}

/** The port that a socket is bound to (getsockname(2)). */
export function boundPort(fd: number): number {
  const address = Buffer.alloc(28);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  sharedLibc().getsockname(fd, address, length);
  return address.readUInt16BE(2);
}

/** A listening TCP socket bound to the device, as a descriptor for `server.listen({ fd })`, which closes it. */
export function deviceTcpListener(place: DeviceAddress): { fd: number } {
  const libc = sharedLibc();
  const fd = openBound(libc, SOCK_STREAM, place);
  check(libc, libc.listen(fd, 1024), fd, "listen", place);
  return { fd };
}

function openBound(libc: Libc, type: number, place: DeviceAddress): number {
  const family = isIpv6(place.address) ? AF_INET6 : AF_INET;
  const fd = libc.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  check(libc, fd, undefined, "socket", place);
  // For TCP only: with UDP it would let a second DHCP server share the port and take half of the packets.
  if (type === SOCK_STREAM) setInteger(libc, fd, SO_REUSEADDR, 1, place);
  const device = Buffer.from(`${place.device}\0`);
  check(
    libc,
    libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, device.length),
    fd,
    "SO_BINDTODEVICE",
    place,
  );
  // IPv4 has a socket of its own.
  if (family === AF_INET6) setInteger(libc, fd, IPV6_V6ONLY, 1, place, IPPROTO_IPV6);
  const address = socketAddress(place);
  check(libc, libc.bind(fd, address, address.length), fd, "bind", place);
  return fd;
}

/** struct sockaddr_in (ip(7)) or sockaddr_in6 (ipv6(7)): the family in host order, the rest in network order. */
function socketAddress({ address, port }: DeviceAddress): Buffer {
  const bytes = Buffer.alloc(isIpv6(address) ? 28 : 16);
  bytes.writeUInt16LE(isIpv6(address) ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  if (isIpv6(address)) bytes.set(ipv6ToBytes(address), 8);
  else bytes.writeUInt32BE(ipv4ToNumber(address), 4);
  return bytes;
}

function isIpv6(address: Ipv4 | Ipv6): address is Ipv6 {
  return address.includes(":");
}

function setInteger(
  libc: Libc,
  fd: number,
  option: number,
  value: number,
  place: DeviceAddress,
  level = SOL_SOCKET,
): void {
  check(libc, trySetInteger(libc, fd, option, value, level), fd, `socket option ${option}`, place);
}

/** Beyond net.core.rmem_max where the process may (CAP_NET_ADMIN); else the kernel gives what it allows. */
function setBuffer(
  libc: Libc,
  fd: number,
  option: { forced: number; asked: number },
  place: DeviceAddress,
): void {
  if (trySetInteger(libc, fd, option.forced, bufferBytes) < 0) {
    setInteger(libc, fd, option.asked, bufferBytes, place);
  }
}

function trySetInteger(libc: Libc, fd: number, option: number, value: number, level = SOL_SOCKET): number {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return libc.setsockopt(fd, level, option, bytes, 4);
}

function check(libc: Libc, result: number, fd: number | undefined, call: string, place: DeviceAddress): void {
  if (result >= 0) return;
  const name = errnoName(lastErrno(libc));
  if (fd !== undefined) libc.close(fd);
  throw socketError(name, call, place);
}

function socketError(name: string, call: string, place: DeviceAddress): AppError {
  const where = `${place.address}:${place.port} on ${place.device}`;
  if (name === "EADDRINUSE") {
    const owner = ownerOfPort(place.port);
    return new AppError(
      "environment",
      `port ${place.port} is taken${owner === undefined ? "" : ` by ${owner}`}`,
      {
        hint: `stop that process, or set another port in the configuration`,
      },
    );
  }
  if (name === "EPERM" || name === "EACCES") {
    return new AppError("environment", `not allowed to open ${where}: ${name}`, {
      hint: "run as root, or grant CAP_NET_BIND_SERVICE and CAP_NET_RAW",
    });
  }
  if (name === "ENODEV") return new AppError("environment", `there is no network interface ${place.device}`);
  if (name === "EADDRNOTAVAIL") {
    return new AppError("environment", `${place.address} is not an address of this machine`);
  }
  return new AppError("environment", `cannot open ${where}: ${call}: ${name}`);
}
