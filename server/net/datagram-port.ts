import type dgram from "node:dgram";
import { type Ipv4, ipv4ToNumber } from "../lib/ipv4.ts";
import { DatagramReceiver } from "./datagram-receiver.ts";
import { DatagramSender, type SendFault } from "./datagram-sender.ts";
import { type DeviceAddress, deviceUdpDescriptor } from "./device-socket.ts";
import { type Libc, type PinnedBytes, sharedLibc } from "./libc.ts";
import { SOL_SOCKET } from "./linux.ts";

/**
 * A UDP port that takes and sends datagrams by the batch. Node's dgram makes one system call and several objects of each
 * datagram; here it only says that something has come, and libc takes the rest and sends the answers, many a call.
 * Addresses are numbers (`ipv4FromNumber`). Tests put a wire in memory in its place.
 */
export type DatagramPort = {
  /** The port in use. */
  readonly port: number;
  /**
   * Queues a copy of `bytes`. What is queued while datagrams are handed over leaves behind the last of them; otherwise
   * it leaves at the end of this turn of the event loop.
   */
  send: (bytes: Uint8Array, address: number, port: number) => void;
  /**
   * Queues a datagram of four bytes (the number `head` in the network's order) and `length` bytes of `body` from `from`,
   * which must stay as they are until they are sent. Datagrams that follow one another to one client leave as one.
   */
  sendPinned: (
    head: number,
    body: PinnedBytes,
    from: number,
    length: number,
    address: number,
    port: number,
  ) => void;
  /** Sends what is queued now. */
  flush: () => void;
  status: () => DatagramPortStatus;
  /** Sends what is queued; hands over nothing more. */
  close: () => void;
};

export type DatagramPortStatus = {
  /** Of the receive buffer, taken by datagrams that nobody has looked at yet. */
  waitingBytes: number;
  receiveBufferBytes: number;
  sendBufferBytes: number;
  /** Datagrams that came and found the receive buffer full. */
  overflowed: number;
  /** Datagrams longer than `datagramBytes`. */
  truncated: number;
  /** Datagrams that were given up: refused by the kernel, or the queue was full. */
  unsent: number;
};

export type DatagramHandlers = {
  /** `bytes` is good until this returns, and is overwritten then. */
  onDatagram: (bytes: Buffer, address: number, port: number) => void;
  /** A datagram that the kernel would not send (EPERM, ENETUNREACH…); the others are sent all the same. */
  onSendFault?: (fault: SendFault) => void;
  onError?: (error: Error) => void;
};

export type DatagramPortOptions = {
  /** Longer datagrams are dropped and counted. Default 2048. */
  datagramBytes?: number;
};

export type OpenDatagramPort = (
  place: DeviceAddress,
  handlers: DatagramHandlers,
  options?: DatagramPortOptions,
) => Promise<DatagramPort>;

// socket(7) on Linux.
const SO_MEMINFO = 55;
/** What SO_MEMINFO answers with (linux/sock_diag.h), in words. */
const memoryInfo = { words: 9, waiting: 0, receiveBuffer: 1, sendBuffer: 3, drops: 8 } as const;

/** How soon to try again when the kernel has no room for more. */
const retryMs = 1;

/** Opens a port on one device and address; port 0 takes a free one. */
export const openDatagramPort: OpenDatagramPort = async (place, handlers, options = {}) => {
  const { socket, fd } = await deviceUdpDescriptor(place);
  return new Port(socket, fd, handlers, options.datagramBytes ?? 2048);
};

class Port implements DatagramPort {
  readonly port: number;
  readonly #libc: Libc = sharedLibc();
  readonly #socket: dgram.Socket;
  readonly #fd: number;
  readonly #handlers: DatagramHandlers;
  readonly #receiver: DatagramReceiver;
  readonly #sender: DatagramSender;
  readonly #datagramBytes: number;
  #tooLong = 0;
  /** Made once, for every batch. */
  readonly #take = (bytes: Buffer, address: number, port: number): void => {
    if (!this.#closed) this.#handlers.onDatagram(bytes, address, port);
  };
  readonly #flushLater = (): void => {
    this.#flushing = false;
    this.flush();
  };
  /** A flush is ahead: at the end of the batch, of the turn, or when the kernel may have room. */
  #flushing = false;
  #closed = false;

  constructor(socket: dgram.Socket, fd: number, handlers: DatagramHandlers, datagramBytes: number) {
    this.#socket = socket;
    this.#fd = fd;
    this.#handlers = handlers;
    this.#datagramBytes = datagramBytes;
    this.port = socket.address().port;
    this.#receiver = new DatagramReceiver(this.#libc, fd, datagramBytes);
    // No IP_RECVERR here, though it would tell which client has closed its port: libuv then reads the error queue itself,
    // and Node ends with a failed assertion in UDPWrap::OnRecv (26.10, libuv 1.52).
    this.#sender = new DatagramSender(this.#libc, fd, (fault) => handlers.onSendFault?.(fault));
    socket.on("message", (bytes, from) => this.#onReadable(bytes, from));
    socket.on("error", (error) => {
      if (!this.#closed) handlers.onError?.(error);
    });
  }

  send(bytes: Uint8Array, address: number, port: number): void {
    if (this.#closed) return;
    this.#sender.send(bytes, address, port);
    this.#flushSoon();
  }

  sendPinned(
    head: number,
    body: PinnedBytes,
    from: number,
    length: number,
    address: number,
    port: number,
  ): void {
    if (this.#closed) return;
    this.#sender.sendPinned(head, body, from, length, address, port);
    this.#flushSoon();
  }

  flush(): void {
    if (this.#closed || this.#sender.flush() || this.#flushing) return;
    this.#flushing = true;
    setTimeout(this.#flushLater, retryMs);
  }

  status(): DatagramPortStatus {
    const info = Buffer.alloc(memoryInfo.words * 4);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(info.length);
    if (!this.#closed) this.#libc.getsockopt(this.#fd, SOL_SOCKET, SO_MEMINFO, info, length);
    return {
      waitingBytes: info.readUInt32LE(memoryInfo.waiting * 4),
      receiveBufferBytes: info.readUInt32LE(memoryInfo.receiveBuffer * 4),
      sendBufferBytes: info.readUInt32LE(memoryInfo.sendBuffer * 4),
      overflowed: info.readUInt32LE(memoryInfo.drops * 4),
      truncated: this.#receiver.truncated + this.#tooLong,
      unsent: this.#sender.unsent,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#sender.flush();
    this.#closed = true;
    this.#socket.close();
  }

  /** Node has read the first datagram of those that wait. */
  #onReadable(bytes: Buffer, from: dgram.RemoteInfo): void {
    if (this.#closed) return;
    const before = this.#flushing;
    this.#flushing = true;
    try {
      if (bytes.length > this.#datagramBytes) this.#tooLong += 1;
      else this.#take(bytes, ipv4ToNumber(from.address as Ipv4), from.port);
      if (!this.#closed) this.#receiver.drain(this.#take);
    } finally {
      this.#flushing = before;
      this.flush();
    }
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(this.#flushLater);
  }
}
