import type dgram from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";
import { assertNever } from "../lib/assert.ts";
import type { Clock } from "../lib/clock.ts";
import { DecodeError } from "../lib/errors.ts";
import { type Ipv4, parseIpv4 } from "../lib/ipv4.ts";
import type { Log } from "../lib/log.ts";
import { deviceUdpSocket } from "../net/device-socket.ts";
import type { AdmissionLimits } from "./admission.ts";
import { frameBlockBytes } from "./client-wire.ts";
import { decode, encode } from "./codec.ts";
import { type TftpCounters, zeroCounters } from "./counters.ts";
import type { NegotiationLimits } from "./negotiate.ts";
import { type TftpPacket, errorCodes } from "./packet.ts";
import { type Patience, defaultPatience } from "./round-trip.ts";
import type { OpenFile } from "./served-file.ts";
import { type Fetch, type Peer, Transfers } from "./transfers.ts";

export type TftpServerOptions = {
  device: string;
  address: Ipv4;
  /** 0 takes a free one. */
  port: number;
  open: OpenFile;
  /** Once for every request that was answered. */
  onFetched: (fetch: Fetch) => void;
  log: Log;
  /** Only differences count: a clock that nobody sets (performance.now) is best. */
  clock: Clock;
  limits?: Partial<AdmissionLimits & NegotiationLimits>;
  patience?: Partial<Patience>;
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
  transfers: 4096,
  transfersPerClient: 64,
  windowBlocks: 64,
  windowBytes: 1024 * 1024,
} as const;

const stopLimitMs = 900;

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
  readonly #transfers: Transfers;
  #listener: dgram.Socket | undefined;

  constructor(options: TftpServerOptions) {
    const { device, address, open, onFetched, log, clock } = options;
    this.#options = options;
    this.#transfers = new Transfers({
      place: { device, address },
      open,
      onFetched,
      log,
      clock,
      limits: { ...defaultLimits, blockBytes: frameBlockBytes(device), ...options.limits },
      patience: { ...defaultPatience, ...options.patience },
      counters: this.#counters,
      reply: (peer, packet) => this.#reply(peer, packet),
      read: (bytes) => this.#read(bytes),
    });
  }

  get port(): number {
    return this.#listener?.address().port ?? this.#options.port;
  }

  counters(): TftpCounters {
    return { ...this.#counters, dropped: { ...this.#counters.dropped }, active: this.#transfers.active };
  }

  async start(): Promise<void> {
    const { device, address, port, log } = this.#options;
    const listener = await deviceUdpSocket({ device, address, port });
    this.#listener = listener;
    listener.on("error", (error) => {
      this.#counters.socketErrors += 1;
      log.warn({}, `tftp: ${error.message}`);
    });
    listener.on("message", (bytes, from) => this.#onDatagram(bytes, from));
  }

  async stop(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.close();
    await Promise.race([this.#transfers.stop(), sleep(stopLimitMs, undefined, { ref: false })]);
  }

  #onDatagram(bytes: Uint8Array, from: dgram.RemoteInfo): void {
    const address = parseIpv4(from.address);
    const packet = this.#read(bytes);
    // A source port of 0 cannot be answered.
    if (address === undefined || packet === undefined || from.port === 0) return;
    const peer = { address, port: from.port };
    switch (packet.kind) {
      case "rrq":
        this.#transfers.request(packet, peer);
        break;
      case "wrq":
        this.#counters.writesRefused += 1;
        this.#reply(peer, {
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

  #reply(peer: Peer, packet: TftpPacket): void {
    this.#listener?.send(encode(packet), peer.port, peer.address, (error) => {
      if (error !== null) this.#counters.socketErrors += 1;
    });
  }
}
