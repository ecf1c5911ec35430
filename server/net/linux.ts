/**
 * Linux's own numbers of what sockets are made of; the same on amd64 and arm64 (asm-generic/socket.h, linux/socket.h,
 * linux/in.h). What one file alone needs stands in that file.
 */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_BINDTODEVICE = 25;
export const IPPROTO_ICMP = 1;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ICMPV6 = 58;
export const MSG_DONTWAIT = 0x40;
// errno(3)
export const EINTR = 4;
export const EAGAIN = 11;
