import { ByteWriter } from "../lib/bytes.ts";
import { DecodeError } from "../lib/errors.ts";
import { type Ipv4, ipv4FromNumber, ipv4ToNumber } from "../lib/ipv4.ts";
import type { Record as RecordEvent } from "../model/boot-event.ts";
import type { Directory } from "../model/directory.ts";
import type { Lease } from "../model/node.ts";
import { type DatagramPort, type OpenDatagramPort, openDatagramPort } from "../net/datagram-port.ts";
import type { LinkSender } from "../net/link-sender.ts";
import { type Admission, admissionFor, beginsExchange } from "./admission.ts";
import { type DhcpRequest, readRequest } from "./client.ts";
import type { ConflictCheck, Verdict } from "./conflict-check.ts";
import { Counters, namesUnder } from "./counters.ts";
import { type Decision, type Note, decide, foundTaken } from "./decide.ts";
import { decode } from "./decode.ts";
import { everybody } from "./destination.ts";
import { encode, replyLimit } from "./encode.ts";
import { type LeaseStore, LeaseWriter } from "./lease-writer.ts";
import { LeaseTable } from "./leases.ts";
import { noAddress } from "./packet.ts";
import { openConflictCheck, openReplyLink, type RawSocketOptions } from "./raw-sockets.ts";
import type { BootUrls, DhcpSite, DhcpView } from "./site.ts";
import { UuidSightings } from "../model/uuid-sightings.ts";

export type DhcpServerOptions = {
  config: RawSocketOptions["config"] & Omit<DhcpSite, "urls">;
  urls: BootUrls;
  directory: Directory;
  store: LeaseStore;
  record: RecordEvent;
  /** Default: a port bound to the interface. */
  openPort?: OpenDatagramPort;
} & RawSocketOptions;

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

type Reply = Decision & { kind: "reply" };

const receivedName = namesUnder("received");
const sentName = namesUnder("sent");
const droppedName = namesUnder("dropped");

/** How many datagrams are taken before the load is looked at again; it is looked at once a millisecond at least. */
const datagramsPerLook = 32;

class Server {
  readonly #options: DhcpServerOptions;
  readonly #site: DhcpSite;
  readonly #ports: { server: number; client: number };
  readonly #counters = new Counters();
  /** For every reply: what it holds is sent or copied before the next one is written. */
  readonly #reply = new ByteWriter(2048);
  #view: DhcpView;
  #writer: LeaseWriter;
  #port: DatagramPort | undefined;
  #conflicts: ConflictCheck | undefined;
  /** To clients that have no address yet. */
  #link: LinkSender | undefined;
  #admission: Admission = "all";
  #lookedAtMs = 0;
  #untilLook = 0;

  constructor(options: DhcpServerOptions) {
    this.#options = options;
    this.#site = { ...options.config, urls: options.urls };
    // With a port of one's own (tests, a second head) the client's is the next one, as 68 follows 67.
    this.#ports = { server: options.config.ports.dhcp, client: options.config.ports.dhcp + 1 };
    this.#view = this.#viewOf([]);
    this.#writer = new LeaseWriter(this.#view.leases, options.store, options.log);
  }

  async start(): Promise<void> {
    const { store, log, config } = this.#options;
    this.#view = this.#viewOf(await store.loadLeases());
    this.#writer = new LeaseWriter(this.#view.leases, store, log);
    this.#conflicts = openConflictCheck(this.#options);
    this.#link = openReplyLink(this.#options);
    // The wildcard address, or broadcasts would not arrive; the binding to the device keeps other interfaces out.
    const address = "0.0.0.0" as Ipv4;
    this.#port = await (this.#options.openPort ?? openDatagramPort)(
      { device: config.interface, address, port: this.#ports.server },
      {
        onDatagram: (bytes) => this.#receive(bytes),
        onSendFault: (fault) => {
          this.#counters.add("send-failed");
          log.warn(
            { error: fault.name, to: ipv4FromNumber(fault.address) },
            "a DHCP reply could not be sent",
          );
        },
        onError: (error) => log.error({ err: error }, "DHCP socket"),
      },
    );
  }

  async stop(): Promise<void> {
    this.#conflicts?.stop();
    this.#conflicts = undefined;
    this.#link?.close();
    this.#link = undefined;
    this.#port?.close();
    this.#port = undefined;
    await this.#writer.idle();
  }

  counters(): Readonly<Record<string, number>> {
    const overflowed = this.#port?.status().overflowed ?? 0;
    return { ...this.#counters.all(), ...(overflowed > 0 ? { "dropped.buffer-full": overflowed } : {}) };
  }

  leases(): readonly Lease[] {
    return this.#view.leases.all();
  }

  #viewOf(leases: readonly Lease[]): DhcpView {
    const { directory } = this.#options;
    const { networks } = this.#site;
    return {
      directory,
      leases: new LeaseTable(networks, leases),
      sightings: new UuidSightings(),
      site: this.#site,
    };
  }

  /** Never throws: whatever a packet does, the next one is answered. */
  #receive(bytes: Uint8Array): void {
    this.#counters.add("received");
    const nowMs = this.#options.clock.nowMs();
    this.#look(nowMs);
    if (this.#admission === "none") return this.#counters.add("dropped.overloaded");
    if (this.#admission === "finish" && beginsExchange(bytes)) return this.#counters.add("dropped.busy");
    try {
      const reading = readRequest(decode(bytes), bytes.length);
      if (reading.kind === "ignore") return this.#counters.add(droppedName(reading.reason));
      const { request } = reading;
      this.#counters.add(receivedName(request.type));
      if (request.uuid !== undefined) this.#view.sightings.note(request.mac, request.uuid, nowMs);
      this.#carryOut(request, decide(request, this.#view, nowMs));
    } catch (error) {
      if (error instanceof DecodeError) return this.#counters.add(droppedName(`malformed.${error.code}`));
      this.#counters.add("dropped.defect");
      this.#options.log.error({ err: error }, "a DHCP request could not be answered");
    }
  }

  /** Looks at the load every few datagrams, so that it costs nearly nothing. */
  #look(nowMs: number): void {
    this.#untilLook -= 1;
    const { isBehind, isFull } = this.#writer;
    if (this.#untilLook > 0 && nowMs === this.#lookedAtMs && !isFull) return;
    this.#untilLook = datagramsPerLook;
    this.#lookedAtMs = nowMs;
    const status = this.#port?.status();
    this.#admission = admissionFor({
      queuedBytes: status?.waitingBytes ?? 0,
      queueBytes: status?.receiveBufferBytes ?? 0,
      commitsBehind: isBehind,
      commitsFull: isFull,
    });
  }

  #carryOut(request: DhcpRequest, decision: Decision): void {
    switch (decision.kind) {
      case "ignore": {
        this.#counters.add(droppedName(decision.reason));
        return this.#tell(decision);
      }
      case "note": {
        return this.#note(decision);
      }
      case "reply": {
        return this.#answer(request, decision);
      }
    }
  }

  #answer(request: DhcpRequest, reply: Reply): void {
    if (reply.hold !== undefined && !this.#mayOffer(request, reply, reply.hold)) return;
    const bytes = this.#encode(request, reply);
    if (reply.leases.length === 0) {
      this.#send(request, reply, bytes);
      return this.#tell(reply);
    }
    // In Buffer's pool: an ArrayBuffer of its own costs more than the packet.
    const kept = Buffer.from(bytes);
    this.#writer.save(reply.leases, (saved) => {
      if (!saved) return this.#counters.add("dropped.not-saved");
      this.#send(request, reply, kept);
      this.#tell(reply);
    });
  }

  #note(decision: Note): void {
    if (decision.leases.length === 0) return this.#tell(decision);
    this.#writer.save(decision.leases, (saved) => {
      if (!saved) return this.#counters.add("dropped.not-saved");
      this.#tell(decision);
    });
  }

  /**
   * Holds the address, and looks whether it is in use unless the machine is known to have had it. False: the offer
   * follows when that is known, or is on its way already.
   */
  #mayOffer(request: DhcpRequest, reply: Reply, hold: NonNullable<Reply["hold"]>): boolean {
    const { leases } = this.#view;
    const conflicts = this.#conflicts;
    conflicts?.count();
    if (conflicts?.isAsking(hold.ip) === true) {
      this.#counters.add("dropped.probing");
      return false;
    }
    const wasHeld = leases.holder(hold.ip, this.#options.clock.nowMs()) !== undefined;
    leases.hold(hold.ip, request.mac, hold.untilMs);
    if (conflicts === undefined || wasHeld || leases.get(hold.ip)?.mac === request.mac) return true;
    if (!conflicts.isReady || this.#admission !== "all") {
      this.#counters.add("probe.skipped");
      return true;
    }
    this.#counters.add("probe.asked");
    const bytes = Buffer.from(this.#encode(request, reply));
    const by = request.packet.giaddr === noAddress ? "arp" : "echo";
    const asker = { mac: request.mac, identity: request.identity };
    conflicts.ask(hold.ip, by, (verdict) => {
      if (verdict.kind === "taken" && verdict.mac !== asker.mac) return this.#avoid(hold.ip, asker, verdict);
      this.#send(request, reply, bytes);
      this.#tell(reply);
    });
    return false;
  }

  /** No OFFER: the client asks again within seconds, and is then offered another address. */
  #avoid(ip: Ipv4, asker: Pick<DhcpRequest, "mac" | "identity">, verdict: Verdict & { kind: "taken" }): void {
    const nowMs = this.#options.clock.nowMs();
    this.#counters.add("probe.taken");
    const holder = this.#view.leases.holder(ip, nowMs);
    if (holder?.kind !== "machine" || holder.mac !== asker.mac) return; // given to its user in the meantime
    this.#note(foundTaken(ip, asker, verdict.mac, nowMs));
  }

  /** The reply as it goes out; good until the next one is encoded. */
  #encode({ mac, maxMessageBytes }: DhcpRequest, { packet }: Reply): Uint8Array {
    const { bytes, dropped } = encode(packet, replyLimit(maxMessageBytes), this.#reply);
    if (dropped.length > 0) {
      this.#options.log.warn({ mac, options: dropped }, "DHCP: options did not fit into the reply");
    }
    return bytes;
  }

  #send({ mac }: DhcpRequest, { packet, type, to }: Reply, bytes: Uint8Array): void {
    if (this.#port === undefined) return; // stopped meanwhile: the client asks again
    this.#options.log.debug({ mac, type, ip: packet.yiaddr, to: to.address }, "DHCP reply");
    this.#counters.add(sentName(type));
    const port = this.#ports[to.port];
    let { address } = to;
    if (to.mac !== undefined) {
      if (this.#link?.send(bytes, { mac: to.mac, address: ipv4ToNumber(address), port }) === true) return;
      if (this.#link !== undefined) this.#counters.add("unicast-failed");
      address = everybody;
    }
    this.#port.send(bytes, ipv4ToNumber(address), port);
  }

  #tell({ events }: Decision): void {
    for (const event of events) {
      if (event.kind === "refused") this.#options.log.warn({ mac: event.mac }, `DHCP: ${event.message}`);
      this.#options.record(event);
    }
  }
}
