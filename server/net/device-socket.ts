import dgram from "node:dgram";
import { once } from "node:events";
import { dlopen, getInt32 } from "node:ffi";
import { getSystemErrorMap } from "node:util";
import { AppError } from "../lib/errors.ts";
import { type Ipv4, ipv4ToNumber } from "../lib/ipv4.ts";
import { ownerOfPort } from "./port-owner.ts";

/**
 * Sockets that belong to one network device (SO_BINDTODEVICE, socket(7)): what comes in by another interface is not
 * seen, and nothing goes out by another one, whatever the routes say. Node has no option for it, so libc makes the
 * socket, through node:ffi, and Node takes over the descriptor.
 */
export type DeviceAddress = { device: string; address: Ipv4; port: number };

// Linux; the same numbers on amd64 and arm64 (asm-generic/socket.h, asm-generic/fcntl.h).
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BROADCAST = 6;
const SO_RCVBUF = 8;
const SO_BINDTODEVICE = 25;

/** Room for a rack's DISCOVERs that arrive while one database commit is under way. */
const receiveBufferBytes = 4 * 1024 * 1024;

function openLibc() {
  return dlopen("libc.so.6", {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    setsockopt: { arguments: ["i32", "i32", "i32", "buffer", "u32"], return: "i32" },
    bind: { arguments: ["i32", "buffer", "u32"], return: "i32" },
    listen: { arguments: ["i32", "i32"], return: "i32" },
    close: { arguments: ["i32"], return: "i32" },
    __errno_location: { arguments: [], return: "pointer" },
  }).functions;
}

type Libc = ReturnType<typeof openLibc>;

/** Kept: looking the functions up costs five times what opening a socket with them does (0.24 against 0.05 ms). */
let openedLibc: Libc | undefined;

function sharedLibc(): Libc {
  openedLibc ??= openLibc();
  return openedLibc;
}

/** A UDP socket bound to the device, that may also send broadcasts by it. `address` "0.0.0.0" receives broadcasts. */
export async function deviceUdpSocket(place: DeviceAddress): Promise<dgram.Socket> {
  const libc = sharedLibc();
  const fd = openBound(libc, SOCK_DGRAM, place);
  setInteger(libc, fd, SO_BROADCAST, 1, place);
  setInteger(libc, fd, SO_RCVBUF, receiveBufferBytes, place);
  const socket = dgram.createSocket("udp4");
  // A socket that takes over a descriptor says so at once, inside bind(): listen for it before.
  const listening = once(socket, "listening");
  socket.bind({ fd });
  await listening;
  return socket;
}

/** A listening TCP socket bound to the device, as a descriptor for `server.listen({ fd })`, which closes it. */
export function deviceTcpListener(place: DeviceAddress): { fd: number } {
  const libc = sharedLibc();
  const fd = openBound(libc, SOCK_STREAM, place);
  check(libc, libc.listen(fd, 1024), fd, "listen", place);
  return { fd };
}

function openBound(libc: Libc, type: number, place: DeviceAddress): number {
  const fd = libc.socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
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
  const address = Buffer.alloc(16); // struct sockaddr_in (ip(7)): family in host order, the rest in network order
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(place.port, 2);
  address.writeUInt32BE(ipv4ToNumber(place.address), 4);
  check(libc, libc.bind(fd, address, address.length), fd, "bind", place);
  return fd;
}

function setInteger(libc: Libc, fd: number, option: number, value: number, place: DeviceAddress): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  check(libc, libc.setsockopt(fd, SOL_SOCKET, option, bytes, 4), fd, `socket option ${option}`, place);
}

function check(libc: Libc, result: number, fd: number | undefined, call: string, place: DeviceAddress): void {
  if (result >= 0) return;
  const location = libc.__errno_location();
  const errno = location === null ? 0 : getInt32(location, 0);
  if (fd !== undefined) libc.close(fd);
  const name = getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
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
