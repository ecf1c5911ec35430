import type { Clock } from "../lib/clock.ts";
import type { Config } from "../config/config.ts";
import { DecodeError, messageOf } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Log } from "../lib/log.ts";
import type { Record as RecordEvent } from "../model/boot-event.ts";
import type { Directory } from "../model/directory.ts";
import type { Lease } from "../model/node.ts";
import { type DeviceAddress, deviceUdpSocket } from "../net/device-socket.ts";
import { type DhcpRequest, readRequest } from "./client.ts";
import { type Decision, decide } from "./decide.ts";
import { decode } from "./decode.ts";
import { encode, replyLimit } from "./encode.ts";
import { type LeaseStore, LeaseWriter } from "./lease-writer.ts";
import { LeaseTable } from "./leases.ts";
import type { BootUrls, DhcpSite } from "./site.ts";
import type { DhcpSocket } from "./socket.ts";

export type DhcpServerOptions = {
  config: Pick<Config, "interface" | "ports"> & Omit<DhcpSite, "urls">;
  urls: BootUrls;
  directory: Directory;
  store: LeaseStore;
  record: RecordEvent;
  log: Log;
  clock: Clock;
  /** Default: a socket bound to the interface. */
  openSocket?: (place: DeviceAddress) => Promise<DhcpSocket>;
};

/** The DHCP server of one interface. */
export type DhcpServer = {
  /** Loads the leases, then opens the port. */
  start: () => Promise<void>;
  /** Answers nothing more; resolves when every lease under way is saved. */
  stop: () => Promise<void>;
  /** Since the process began, by name: `received`, `sent.ACK`, `dropped.<reason>`. */
  counters: () => Readonly<Record<string, number>>;
  leases: () => readonly Lease[];
};

export function createDhcpServer(options: DhcpServerOptions): DhcpServer {
  const server = new Server(options);
  return {
    start: () => server.start(),
    stop: () => server.stop(),
    counters: () => server.counters(),
    leases: () => server.leases(),
  };
}

class Server {
  readonly #options: DhcpServerOptions;
  readonly #site: DhcpSite;
  readonly #ports: { server: number; client: number };
  readonly #counts = new Map<string, number>();
  #leases: LeaseTable;
  #writer: LeaseWriter;
  #socket: DhcpSocket | undefined;

  constructor(options: DhcpServerOptions) {
    this.#options = options;
    this.#site = { ...options.config, urls: options.urls };
    // With a port of one's own (tests, a second head) the client's is the next one, as 68 follows 67.
    this.#ports = { server: options.config.ports.dhcp, client: options.config.ports.dhcp + 1 };
    this.#leases = new LeaseTable(this.#site.pool);
    this.#writer = new LeaseWriter(this.#leases, options.store, options.log);
  }

  async start(): Promise<void> {
    const { store, log, config } = this.#options;
    const open: (place: DeviceAddress) => Promise<DhcpSocket> = this.#options.openSocket ?? deviceUdpSocket;
    this.#leases = new LeaseTable(this.#site.pool, await store.loadLeases());
    this.#writer = new LeaseWriter(this.#leases, store, log);
    // The wildcard address, or broadcasts would not arrive; the binding to the device keeps other interfaces out.
    const address = "0.0.0.0" as Ipv4;
    const socket = await open({ device: config.interface, address, port: this.#ports.server });
    socket.on("error", (error) => log.error({ err: error }, "DHCP socket"));
    socket.on("message", (bytes) => void this.#receive(bytes));
    this.#socket = socket;
  }

  async stop(): Promise<void> {
    this.#socket?.close();
    this.#socket = undefined;
    await this.#writer.idle();
  }

  counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  leases(): readonly Lease[] {
    return this.#leases.all();
  }

  /** Never rejects: whatever a packet does, the next one is answered. */
  async #receive(bytes: Uint8Array): Promise<void> {
    this.#count("received");
    if (this.#writer.isFull) return this.#count("dropped.overloaded");
    try {
      const reading = readRequest(decode(bytes));
      if (reading.kind === "ignore") return this.#count(`dropped.${reading.reason}`);
      const { request } = reading;
      this.#count(`received.${request.type}`);
      const view = { directory: this.#options.directory, leases: this.#leases, site: this.#site };
      await this.#carryOut(request, decide(request, view, this.#options.clock.nowMs()));
    } catch (error) {
      if (error instanceof DecodeError) return this.#count(`dropped.malformed.${error.code}`);
      this.#count("dropped.defect");
      this.#options.log.error({ err: error }, "a DHCP request could not be answered");
    }
  }

  async #carryOut(request: DhcpRequest, decision: Decision): Promise<void> {
    if (decision.kind === "ignore") {
      this.#count(`dropped.${decision.reason}`);
    } else {
      const hold = decision.kind === "reply" ? decision.hold : undefined;
      if (hold !== undefined) this.#leases.hold(hold.ip, request.mac, hold.untilMs);
      const saved = decision.leases.length === 0 || (await this.#writer.save(decision.leases));
      if (!saved) return this.#count("dropped.not-saved");
      if (decision.kind === "reply") this.#send(request, decision);
    }
    for (const event of decision.events) {
      if (event.kind === "refused") this.#options.log.warn({ mac: event.mac }, `DHCP: ${event.message}`);
      this.#options.record(event);
    }
  }

  #send({ mac, maxMessageBytes }: DhcpRequest, { packet, type, to }: Decision & { kind: "reply" }): void {
    const log = this.#options.log;
    const { bytes, dropped } = encode(packet, replyLimit(maxMessageBytes));
    if (dropped.length > 0) log.warn({ mac, options: dropped }, "DHCP: options did not fit into the reply");
    log.debug({ mac, type, ip: packet.yiaddr, to: to.address }, "DHCP reply");
    this.#socket?.send(bytes, this.#ports[to.port], to.address, (error) => {
      this.#count(error === null ? `sent.${type}` : "send-failed");
      if (error !== null) log.warn({ mac, to: to.address }, `DHCP: ${messageOf(error)}`);
    });
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
