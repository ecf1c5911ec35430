import type { Config } from "../config/config.ts";
import type { Clock } from "../lib/clock.ts";
import { DecodeError, messageOf } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Log } from "../lib/log.ts";
import type { Record as RecordEvent } from "../model/boot-event.ts";
import type { Directory } from "../model/directory.ts";
import { type DeviceAddress, deviceUdpSocket } from "../net/device-socket.ts";
import { type DhcpRequest, readRequest } from "./client.ts";
import { decode } from "./decode.ts";
import { encode, replyLimit } from "./encode.ts";
import { noAddress } from "./packet.ts";
import { type ProxyDecision, decideBootServer, decideProxy, type ProxyView } from "./proxy.ts";
import type { BootUrls } from "./site.ts";

/** What the server needs of a UDP socket: DhcpSocket with the sender told. */
export type ProxySocket = {
  on: ((event: "message", listener: (bytes: Uint8Array, from: Sender) => void) => unknown) &
    ((event: "error", listener: (error: Error) => void) => unknown);
  send: (bytes: Uint8Array, port: number, address: string, done: (error: Error | null) => void) => void;
  close: () => unknown;
};

export type Sender = { address: string; port: number };

export type ProxyServerOptions = {
  /** `proxy`: boot information on port 67, beside another DHCP server. Either way port 4011 is served. */
  config: Pick<Config, "interface" | "ports"> &
    Omit<ProxyView["site"], "urls"> & { mode: "server" | "proxy" };
  urls: BootUrls;
  directory: Directory;
  record: RecordEvent;
  log: Log;
  clock: Clock;
  /** Default: a socket bound to the interface. */
  openSocket?: (place: DeviceAddress) => Promise<ProxySocket>;
};

/** What to boot, without addresses: PXE's port 4011, and in proxy mode port 67. It has no leases to lose. */
export type ProxyServer = {
  start: () => Promise<void>;
  stop: () => Promise<void>;
  /** Since the process began, by name: `received`, `sent.OFFER`, `dropped.<reason>`. */
  counters: () => Readonly<Record<string, number>>;
};

export function createProxyServer(options: ProxyServerOptions): ProxyServer {
  const server = new Server(options);
  return {
    start: () => server.start(),
    stop: () => server.stop(),
    counters: () => server.counters(),
  };
}

/** Every wildcard: broadcasts arrive, and the binding to the device keeps other interfaces out. */
const anyAddress = "0.0.0.0" as Ipv4;

type Service = "dhcp" | "bootServer";

class Server {
  readonly #options: ProxyServerOptions;
  readonly #view: ProxyView;
  readonly #counts = new Map<string, number>();
  #sockets: ProxySocket[] = [];

  constructor(options: ProxyServerOptions) {
    this.#options = options;
    this.#view = { directory: options.directory, site: { ...options.config, urls: options.urls } };
  }

  async start(): Promise<void> {
    const { mode } = this.#options.config;
    try {
      await this.#open("bootServer");
      if (mode === "proxy") await this.#open("dhcp");
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
    return Promise.resolve();
  }

  counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  async #open(service: Service): Promise<void> {
    const { config, log } = this.#options;
    const open: (place: DeviceAddress) => Promise<ProxySocket> = this.#options.openSocket ?? deviceUdpSocket;
    const socket = await open({
      device: config.interface,
      address: anyAddress,
      port: config.ports[service],
    });
    socket.on("error", (error) => log.error({ err: error }, "proxyDHCP socket"));
    socket.on("message", (bytes, from) => this.#receive(service, socket, bytes, from));
    this.#sockets.push(socket);
  }

  /** Never throws: whatever a packet does, the next one is answered. */
  #receive(service: Service, socket: ProxySocket, bytes: Uint8Array, from: Sender): void {
    this.#count("received");
    try {
      const reading = readRequest(decode(bytes));
      if (reading.kind === "ignore") return this.#count(`dropped.${reading.reason}`);
      const { request } = reading;
      this.#count(`received.${request.type}`);
      const nowMs = this.#options.clock.nowMs();
      const decision =
        service === "dhcp"
          ? decideProxy(request, this.#view, nowMs)
          : decideBootServer(request, this.#view, nowMs);
      this.#carryOut(request, decision, socket, from);
    } catch (error) {
      if (error instanceof DecodeError) return this.#count(`dropped.malformed.${error.code}`);
      this.#count("dropped.defect");
      this.#options.log.error({ err: error }, "a request for boot information could not be answered");
    }
  }

  #carryOut(request: DhcpRequest, decision: ProxyDecision, socket: ProxySocket, from: Sender): void {
    const { log, record } = this.#options;
    if (decision.kind === "reply") this.#send(request, decision, socket, from);
    else this.#count(`dropped.${decision.reason}`);
    for (const event of decision.events) {
      if (event.kind === "refused") log.warn({ mac: event.mac }, `proxyDHCP: ${event.message}`);
      record(event);
    }
  }

  #send(
    { mac, maxMessageBytes }: DhcpRequest,
    { packet, type, to }: ProxyDecision & { kind: "reply" },
    socket: ProxySocket,
    from: Sender,
  ): void {
    const { log, config } = this.#options;
    // The one thing that must never happen beside another DHCP server, whatever was decided.
    if (packet.yiaddr !== noAddress) throw new Error(`a proxy's ${type} would give out ${packet.yiaddr}`);
    const { bytes, dropped } = encode(packet, replyLimit(maxMessageBytes));
    if (dropped.length > 0)
      log.warn({ mac, options: dropped }, "proxyDHCP: options did not fit into the reply");
    // With ports of one's own (tests) the client's is the one after DHCP's, as 68 follows 67.
    const ports = { server: config.ports.dhcp, client: config.ports.dhcp + 1 };
    const place = to === "sender" ? from : { address: to.address, port: ports[to.port] };
    log.debug({ mac, type, file: packet.file, to: place.address }, "proxyDHCP reply");
    socket.send(bytes, place.port, place.address, (error) => {
      this.#count(error === null ? `sent.${type}` : "send-failed");
      if (error !== null) log.warn({ mac, to: place.address }, `proxyDHCP: ${messageOf(error)}`);
    });
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
