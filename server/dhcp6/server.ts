import type dgram from "node:dgram";
import type { Clock } from "../lib/clock.ts";
import { DecodeError, messageOf } from "../lib/errors.ts";
import type { Ipv6, Ipv6Prefix } from "../lib/ipv6.ts";
import type { Log } from "../lib/log.ts";
import { type Mac, macToBytes } from "../lib/mac.ts";
import type { Record as RecordEvent } from "../model/boot-event.ts";
import type { Directory } from "../model/directory.ts";
import { UuidSightings } from "../model/uuid-sightings.ts";
import { deviceUdpSocket } from "../net/device-socket.ts";
import { type Icmpv6Socket, openIcmpv6Socket, withoutZone } from "../net/icmpv6-socket.ts";
import { readRequest6 } from "./client.ts";
import { decode6, encode6 } from "./codec.ts";
import { decide6 } from "./decide.ts";
import { linkLayerDuid } from "./option-values.ts";
import { throughRelays } from "./relay.ts";
import { answerSolicitation, decodeSolicitation, encodeAdvertisement } from "./router-discovery.ts";
import type { Site6, View6 } from "./site.ts";

export type Dhcp6ServerOptions = {
  device: string;
  /** The device's own; undefined: it is no Ethernet, and nothing is done. */
  mac: Mac | undefined;
  /** Undefined: no IPv6 network of ours; only our own nodes that look for a router are told that there is none. */
  site: Omit<Site6, "duid"> | undefined;
  directory: Directory;
  record: RecordEvent;
  log: Log;
  clock: Clock;
};

export type Dhcp6Server = {
  start: () => Promise<void>;
  stop: () => Promise<void>;
  /** Since the process began, by name: `received.SOLICIT`, `sent.REPLY`, `dropped.<reason>`. */
  counters: () => Readonly<Record<string, number>>;
};

/** RFC 8415 section 7.1 and 7.2, RFC 4861 section 4.1. */
const serverPort = 547;
const clientPort = 546;
const allAgentsAndServers = "ff02::1:2";
const allRouters = "ff02::2" as Ipv6;
const routerSolicitation = 133;

/** How long nobody gets an address that a client found in use. */
const quarantineMs = 3_600_000;
/** Somebody who declines in the name of made-up ports costs this many entries, no more. */
const declinedLimit = 10_000;

/** DHCPv6 and router discovery on one device. */
export function createDhcp6Server(options: Dhcp6ServerOptions): Dhcp6Server {
  const server = new Server(options);
  return {
    start: () => server.start(),
    stop: () => server.stop(),
    counters: () => server.counters(),
  };
}

class Server {
  readonly #options: Dhcp6ServerOptions;
  readonly #sightings = new UuidSightings();
  readonly #view: View6 | undefined;
  readonly #counts = new Map<string, number>();
  readonly #declinedUntilMs = new Map<Ipv6, number>();
  #socket: dgram.Socket | undefined;
  #router: Icmpv6Socket | undefined;

  constructor(options: Dhcp6ServerOptions) {
    this.#options = options;
    const { site, directory, mac } = options;
    if (site === undefined || mac === undefined) return;
    this.#view = {
      site: { ...site, duid: linkLayerDuid(macToBytes(mac)) },
      directory,
      sightings: this.#sightings,
      isDeclined: (ip, nowMs) => (this.#declinedUntilMs.get(ip) ?? 0) > nowMs,
    };
  }

  async start(): Promise<void> {
    const { device, log, site, mac } = this.#options;
    if (mac === undefined) return;
    if (site !== undefined) {
      const socket = await deviceUdpSocket({ device, address: "::" as Ipv6, port: serverPort });
      this.#socket = socket;
      socket.on("error", (error) => log.error({ err: error }, "DHCPv6 socket"));
      socket.on("message", (bytes, from) => this.#receive(bytes, from.address));
      socket.addMembership(allAgentsAndServers, `::%${device}`);
    }
    this.#router = this.#openRouter(mac, site?.prefix);
  }

  async stop(): Promise<void> {
    this.#socket?.close();
    this.#socket = undefined;
    this.#router?.close();
    this.#router = undefined;
  }

  counters(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** A head without IPv6 (ipv6.disable=1) does without: nothing depends on it but some seconds of an old iPXE. */
  #openRouter(mac: Mac, prefix: Ipv6Prefix | undefined): Icmpv6Socket | undefined {
    const { device, directory, log } = this.#options;
    try {
      return openIcmpv6Socket({
        device,
        type: routerSolicitation,
        group: allRouters,
        onMessage: (bytes, source) => this.#solicited(bytes, source, { directory, mac, prefix }),
      });
    } catch (error) {
      if (prefix !== undefined) throw error;
      log.debug({}, messageOf(error));
      return undefined;
    }
  }

  #solicited(bytes: Uint8Array, source: Ipv6, view: Parameters<typeof answerSolicitation>[2]): void {
    try {
      this.#count("received.router-solicitation");
      const answer = answerSolicitation(source, decodeSolicitation(bytes).mac, view);
      if (answer === undefined) return this.#count("dropped.no-router");
      this.#router?.send(encodeAdvertisement(answer.advertisement), answer.to);
      this.#count("sent.router-advertisement");
    } catch (error) {
      this.#fault(error, "a router solicitation");
    }
  }

  #receive(bytes: Uint8Array, from: string): void {
    const source = withoutZone(from);
    if (source === undefined || this.#view === undefined) return;
    const { clock, record } = this.#options;
    try {
      const request = readRequest6(decode6(bytes), source);
      this.#count(`received.${request.message.type}`);
      const nowMs = clock.nowMs();
      const { mac, uuid } = request;
      if (mac !== undefined && uuid !== undefined) this.#sightings.note(mac, uuid, nowMs);
      const decision = decide6(request, this.#view, nowMs);
      for (const event of decision.events) record(event);
      if (decision.kind === "ignore") return this.#count(`dropped.${decision.reason}`);
      for (const ip of decision.declined) this.#decline(ip, nowMs);
      const relayed = request.relays.length > 0;
      this.#send(
        encode6(throughRelays(decision.message, request.relays)),
        relayed ? serverPort : clientPort,
        from,
      );
      this.#count(`sent.${decision.message.type}`);
    } catch (error) {
      this.#fault(error, "a DHCPv6 request");
    }
  }

  #decline(ip: Ipv6, nowMs: number): void {
    this.#declinedUntilMs.delete(ip);
    this.#declinedUntilMs.set(ip, nowMs + quarantineMs);
    const [oldest] = this.#declinedUntilMs.keys();
    if (this.#declinedUntilMs.size > declinedLimit && oldest !== undefined)
      this.#declinedUntilMs.delete(oldest);
  }

  #send(bytes: Uint8Array, port: number, to: string): void {
    this.#socket?.send(bytes, port, to, (error) => {
      if (error === null) return;
      this.#count("send-failed");
      this.#options.log.warn({ to }, `DHCPv6: ${messageOf(error)}`);
    });
  }

  /** Whatever a packet does, the next one is answered. */
  #fault(error: unknown, what: string): void {
    if (error instanceof DecodeError) return this.#count(`dropped.malformed.${error.code}`);
    this.#count("dropped.defect");
    this.#options.log.error({ err: error }, `${what} could not be answered`);
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
