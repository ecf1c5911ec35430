import { setTimeout as sleep } from "node:timers/promises";
import { assertNever } from "../lib/assert.ts";
import type { Clock } from "../lib/clock.ts";
import { DecodeError } from "../lib/errors.ts";
import type { Ip } from "../lib/ipv6.ts";
import type { Log } from "../lib/log.ts";
import { type AddressNumbers, numbersFor } from "../net/address-numbers.ts";
import {
  type DatagramHandlers,
  type DatagramPort,
  type OpenDatagramPort,
  openDatagramPort,
} from "../net/datagram-port.ts";
import type { AdmissionLimits } from "./admission.ts";
import { ChunkCache } from "./chunk-cache.ts";
import { decode, encode } from "./codec.ts";
import { type TftpCounters, zeroCounters } from "./counters.ts";
import { DataPorts, frameBlockBytes } from "./data-ports.ts";
import type { NegotiationLimits } from "./negotiate.ts";
import { type TftpPacket, defaultBlockBytes, errorCodes } from "./packet.ts";
import type { QueueLimits } from "./request-queue.ts";
import { type Patience, defaultPatience } from "./round-trip.ts";
import type { OpenFile } from "./served-file.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { type Fetch, type Peer, Transfers } from "./transfers.ts";

export type TftpServerOptions = {
  device: string;
  address: Ip;
  /** 0 takes a free one. */
  port: number;
  /** Everything leaves from `port`, for firewalls that let nothing else through; default: from ports of their own. */
  singlePort?: boolean;
  open: OpenFile;
  /** Once for every request that was answered. */
  onFetched: (fetch: Fetch) => void;
  log: Log;
  /** Only differences count: a clock that nobody sets (performance.now) is best. */
  clock: Clock;
  limits?: Partial<AdmissionLimits & QueueLimits & NegotiationLimits & { cacheBytes: number }>;
  patience?: Partial<Patience>;
  /** Default: a port bound to the device. */
  openPort?: OpenDatagramPort;
};

export type TftpServer = {
  /** Resolves when requests are served. */
  start: () => Promise<void>;
  /** Ends every transfer; takes a second at most. */
  stop: () => Promise<void>;
  /** The port in use, once started. */
  port: () => number;
  counters: () => TftpCounters;
};

const defaultLimits = {
  // A transfer costs a few hundred bytes here, so one address may have many (a rack behind a router that translates
  // addresses), but never all.
  transfers: 4096,
  transfersPerClient: 2048,
  queued: 8192,
  queuedPerClient: 2048,
  queuedMs: 20_000,
  windowBlocks: 64,
  windowBytes: 1024 * 1024,
  cacheBytes: 64 * 1024 * 1024,
} as const;

const stopLimitMs = 900;

/** How exact the transfers' timers are. */
const timerTurnMs = 5;

/** TFTP on one device and address, read-only (RFC 1350, 2347, 2348, 2349, 7440). */
export function createTftpServer(options: TftpServerOptions): TftpServer {
  const server = new Server(options);
  return {
    start: () => server.start(),
    stop: () => server.stop(),
    port: () => server.port,
    counters: () => server.counters(),
  };
}

class Server {
  readonly #options: TftpServerOptions;
  readonly #counters = zeroCounters();
  /** One for all ports: a client is the same at each. */
  readonly #numbers: AddressNumbers;
  readonly #chunks: ChunkCache;
  readonly #wheel: TimerWheel;
  readonly #ports = new DataPorts();
  readonly #transfers: Transfers;
  #listener: DatagramPort | undefined;

  constructor(options: TftpServerOptions) {
    const { device, address, open, onFetched, log, clock } = options;
    this.#numbers = numbersFor(address);
    const limits = { ...defaultLimits, blockBytes: frameBlockBytes(device, address), ...options.limits };
    this.#options = options;
    this.#wheel = new TimerWheel(clock, timerTurnMs);
    this.#chunks = new ChunkCache({
      limitBytes: limits.cacheBytes,
      blockBytes: Math.max(limits.blockBytes, defaultBlockBytes),
    });
    this.#transfers = new Transfers({
      ports: this.#ports,
      chunks: this.#chunks,
      wheel: this.#wheel,
      open,
      onFetched,
      log,
      clock,
      limits,
      patience: { ...defaultPatience, ...options.patience },
      counters: this.#counters,
      reply: (peer, packet) => this.#reply(peer.number, peer.port, packet),
      read: (bytes) => this.#read(bytes),
    });
  }

  get port(): number {
    return this.#listener?.port ?? this.#options.port;
  }

  counters(): TftpCounters {
    const truncated = this.#listener?.status().truncated ?? 0;
    const { dropped } = this.#counters;
    return {
      ...this.#counters,
      dropped: { ...dropped, "too-long": dropped["too-long"] + truncated },
      active: this.#transfers.active,
      waiting: this.#transfers.waiting,
      chunkHits: this.#chunks.hits,
      chunkMisses: this.#chunks.misses,
    };
  }

  async start(): Promise<void> {
    const { device, address, port, singlePort = false, openPort = openDatagramPort } = this.#options;
    const listener = await openPort(
      { device, address, port },
      this.#handlers((bytes, from, fromPort) => this.#onListener(bytes, from, fromPort)),
      { numbers: this.#numbers },
    );
    this.#listener = listener;
    if (singlePort) this.#ports.useOnly(listener);
    else {
      await this.#ports.open(openPort, { device, address, numbers: this.#numbers }, (index) =>
        this.#handlers((bytes, from, fromPort) => {
          if (!this.#transfers.datagram(index, bytes, from, fromPort)) this.#counters.dropped.stray += 1;
        }),
      );
    }
  }

  async stop(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    await Promise.race([this.#transfers.stop(), sleep(stopLimitMs, undefined, { ref: false })]);
    this.#wheel.stop();
    this.#ports.close();
    listener?.close();
  }

  #handlers(onDatagram: DatagramHandlers["onDatagram"]): DatagramHandlers {
    const onError = (message: string): void => {
      this.#counters.socketErrors += 1;
      this.#options.log.debug({}, `tftp: ${message}`);
    };
    return {
      onDatagram,
      onSendFault: ({ name, address }) =>
        onError(`${name}: nothing sent to ${this.#numbers.textOf(address)}`),
      onError: (error) => onError(error.message),
    };
  }

  #onListener(bytes: Uint8Array, address: number, port: number): void {
    // With a single port, what belongs to a transfer comes here too. No request is taken for that: a client may ask for
    // its next file before the end of its last was heard.
    const isRequest = bytes[1] === 1;
    if (this.#options.singlePort === true && !isRequest) {
      if (this.#transfers.datagram(0, bytes, address, port)) return;
    }
    const packet = this.#read(bytes);
    // A source port of 0 cannot be answered.
    if (packet === undefined || port === 0 || this.#listener === undefined) return;
    const peer: Peer = { address: this.#numbers.textOf(address), number: address, port };
    switch (packet.kind) {
      case "rrq":
        this.#transfers.request(packet, peer);
        break;
      case "wrq":
        this.#counters.writesRefused += 1;
        this.#reply(address, port, {
          kind: "error",
          code: errorCodes.accessViolation,
          message: "this server is read-only",
        });
        break;
      case "data":
      case "ack":
      case "error":
      case "oack":
        // Never answered: two servers must not be made to talk to each other.
        this.#counters.dropped.unexpected += 1;
        break;
      default:
        assertNever(packet);
    }
  }

  #read(bytes: Uint8Array): TftpPacket | undefined {
    try {
      return decode(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#counters.dropped[error.code] += 1;
      return undefined;
    }
  }

  #reply(address: number, port: number, packet: TftpPacket): void {
    this.#listener?.send(encode(packet), address, port);
  }
}
