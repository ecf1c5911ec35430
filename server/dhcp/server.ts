import type { RemoteInfo } from "node:dgram";
import type { Clock } from "../lib/clock.ts";
import type { Config } from "../config/config.ts";
import { DecodeError, messageOf } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Log } from "../lib/log.ts";
import type { Record as RecordEvent } from "../model/boot-event.ts";
import type { Directory } from "../model/directory.ts";
import type { ClusterNode, Lease } from "../model/node.ts";
import { type DeviceAddress, deviceUdpSocket } from "../net/device-socket.ts";
import { type DhcpRequest, readRequest } from "./client.ts";
import { type Decision, decide } from "./decide.ts";
import { decode } from "./decode.ts";
import { encode, replyLimit } from "./encode.ts";
import { type LeaseStore, LeaseWriter } from "./lease-writer.ts";
import { LeaseTable } from "./leases.ts";
import { type DhcpPreview, previewOptions } from "./preview.ts";
import type { BootUrls, DhcpSite } from "./site.ts";

/** What the server needs of a UDP socket; node:dgram's has it. */
export type DhcpSocket = {
  on: ((event: "message", listener: (bytes: Uint8Array, from: RemoteInfo) => void) => unknown) &
    ((event: "error", listener: (error: Error) => void) => unknown);
  send: (bytes: Uint8Array, port: number, address: string, done: (error: Error | null) => void) => void;
  close: () => unknown;
};

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

export type DhcpServer = {
  /** Loads the leases, then opens the port. */
  start: () => Promise<void>;
  /** Answers nothing more; resolves when every lease under way is saved. */
  stop: () => Promise<void>;
  /** Since the start, by name: `received`, `sent.ACK`, `dropped.<reason>`. */
  counters: () => Readonly<Record<string, number>>;
  leases: () => readonly Lease[];
  preview: (node: ClusterNode, firmware: string) => readonly DhcpPreview[];
};

/** Beyond this many unsaved leases requests are dropped, not queued: the client asks again, and a late ACK helps nobody. */
const maxBacklog = 4096;

/** The DHCP server of one interface. */
export function createDhcpServer(options: DhcpServerOptions): DhcpServer {
  const { config, log, record, clock, store } = options;
  const site: DhcpSite = { ...config, urls: options.urls };
  // With a port of one's own (tests, a second head) the client's is the next one, as 68 follows 67.
  const ports = { server: config.ports.dhcp, client: config.ports.dhcp + 1 };
  const counts = new Map<string, number>();
  let leases = new LeaseTable(site.pool);
  let writer = new LeaseWriter(leases, store, log);
  let socket: DhcpSocket | undefined;

  const count = (name: string): void => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  };

  const receive = async (bytes: Uint8Array): Promise<void> => {
    count("received");
    if (writer.backlog >= maxBacklog) return count("dropped.overloaded");
    try {
      const read = readRequest(decode(bytes));
      if (read.kind === "ignore") return count(`dropped.${read.reason}`);
      count(`received.${read.request.type}`);
      await carryOut(read.request, decide(read.request, { ...options, leases, site }, clock.nowMs()));
    } catch (error) {
      count(error instanceof DecodeError ? `dropped.malformed.${error.code}` : "dropped.defect");
      if (!(error instanceof DecodeError)) log.error({ err: error }, "a DHCP request could not be answered");
    }
  };

  const carryOut = async (request: DhcpRequest, decision: Decision): Promise<void> => {
    if (decision.kind === "ignore") {
      count(`dropped.${decision.reason}`);
    } else {
      if (decision.kind === "reply" && decision.hold !== undefined) {
        leases.hold(decision.hold.ip, request.mac, decision.hold.untilMs);
      }
      if (decision.leases.length > 0 && !(await writer.save(decision.leases)))
        return count("dropped.not-saved");
      if (decision.kind === "reply") send(request, decision);
    }
    for (const event of decision.events) {
      if (event.kind === "refused") log.warn({ mac: event.mac }, `DHCP: ${event.message}`);
      record(event);
    }
  };

  const send = (request: DhcpRequest, { packet, type, to }: Decision & { kind: "reply" }): void => {
    const { bytes, dropped } = encode(packet, replyLimit(request.maxMessageBytes));
    if (dropped.length > 0)
      log.warn({ mac: request.mac, options: dropped }, "DHCP: options did not fit into the reply");
    log.debug({ mac: request.mac, type, ip: packet.yiaddr, to: to.address }, "DHCP reply");
    socket?.send(bytes, ports[to.port], to.address, (error) => {
      count(error === null ? `sent.${type}` : "send-failed");
      if (error !== null) log.warn({ mac: request.mac, to: to.address }, `DHCP: ${messageOf(error)}`);
    });
  };

  return {
    start: async () => {
      leases = new LeaseTable(site.pool, await store.loadLeases());
      writer = new LeaseWriter(leases, store, log);
      const open = options.openSocket ?? deviceUdpSocket;
      // The wildcard address, or broadcasts would not arrive; the device binding keeps other interfaces out.
      const place = { device: config.interface, address: "0.0.0.0" as Ipv4, port: ports.server };
      socket = await open(place);
      socket.on("error", (error) => log.error({ err: error }, "DHCP socket"));
      socket.on("message", (bytes) => void receive(bytes));
    },
    stop: async () => {
      const open = socket;
      socket = undefined;
      open?.close();
      await writer.idle();
    },
    counters: () => Object.fromEntries(counts),
    leases: () => leases.all(),
    preview: (node, firmware) => previewOptions(node, site, firmware),
  };
}
