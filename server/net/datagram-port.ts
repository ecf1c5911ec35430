import { type AddressNumbers, numbersFor } from "./address-numbers.ts";
import { DatagramReceiver } from "./datagram-receiver.ts";
import { DatagramSender, type SendFault } from "./datagram-sender.ts";
import { type DescriptorWatch, watchDescriptor } from "./descriptor-watch.ts";
import { type DeviceAddress, boundPort, deviceUdpDescriptor } from "./device-socket.ts";
import { type Libc, type PinnedBytes, sharedLibc } from "./libc.ts";
import { SOL_SOCKET } from "./linux.ts";

/**
 * A UDP port that takes and sends datagrams by the batch. Node's dgram makes one system call and several objects of each
 * datagram; here libuv only says that something has come, and libc takes it and sends the answers, many a call.
 * Addresses are numbers (address-numbers.ts). Tests put a wire in memory in its place.
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
  /** How addresses are numbered; ports that are to number them alike share it. Default: its own. */
  numbers?: AddressNumbers;
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

/** So many are taken at most before other sockets have their turn. */
const batchesPerTurn = 4;

/** How soon to try again when the kernel has no room for more. */
const retryMs = 1;

/** Opens a port on one device and address; port 0 takes a free one. */
export const openDatagramPort: OpenDatagramPort = async (place, handlers, options = {}) => {
  return await Promise.resolve(
    new Port(deviceUdpDescriptor(place), handlers, {
      datagramBytes: 2048,
      numbers: options.numbers ?? numbersFor(place.address),
      ...options,
    }),
  );
};

class Port implements DatagramPort {
  readonly port: number;
  readonly #libc: Libc = sharedLibc();
  readonly #watch: DescriptorWatch;
  readonly #fd: number;
  readonly #handlers: DatagramHandlers;
  readonly #receiver: DatagramReceiver;
  readonly #sender: DatagramSender;
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

  constructor(
    fd: number,
    handlers: DatagramHandlers,
    { datagramBytes, numbers }: Required<DatagramPortOptions>,
  ) {
    this.#fd = fd;
    this.#handlers = handlers;
    this.port = boundPort(fd);
    const onFault = (name: string): void => handlers.onError?.(new Error(`cannot receive: ${name}`));
    this.#receiver = new DatagramReceiver(this.#libc, fd, numbers, datagramBytes, onFault);
    this.#sender = new DatagramSender(this.#libc, fd, numbers, (fault) => handlers.onSendFault?.(fault));
    this.#watch = watchDescriptor(fd, () => this.#onReadable());
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
      truncated: this.#receiver.truncated,
      unsent: this.#sender.unsent,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#sender.flush();
    this.#closed = true;
    this.#watch.close();
    this.#libc.close(this.#fd);
  }

  /** What is left after some batches is for the next turn: other sockets and timers have theirs in between. */
  #onReadable(): void {
    const before = this.#flushing;
    this.#flushing = true;
    try {
      for (let batches = 0; batches < batchesPerTurn && !this.#closed; batches += 1) {
        if (!this.#receiver.receive(this.#take)) return;
        this.flush();
      }
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
