import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Ip } from "../lib/ipv6.ts";
import type { Log } from "../lib/log.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import type { ChunkCache } from "./chunk-cache.ts";
import { readAck } from "./codec.ts";
import type { TftpCounters } from "./counters.ts";
import { type DataPort, type DataPorts, wireTo } from "./data-ports.ts";
import { type NegotiationLimits, negotiate } from "./negotiate.ts";
import type { ReadRequest, TftpPacket } from "./packet.ts";
import { type QueueLimits, RequestQueue } from "./request-queue.ts";
import { openRequested } from "./requested-file.ts";
import type { Patience } from "./round-trip.ts";
import type { OpenFile, ServedFile } from "./served-file.ts";
import type { TimerWheel } from "./timer-wheel.ts";
import { type SessionEnd, TransferSession } from "./transfer-session.ts";
import type { TransferOutcome } from "./transfer.ts";

/** `number`: its address, as the ports name it. */
export type Peer = { address: Ip; number: number; port: number };

/** One request as it ended. */
export type Fetch = {
  /** As the client wrote it. */
  path: string;
  peer: Ip;
  /** Acknowledged by the client. */
  bytes: number;
  durationMs: number;
  /** "refused": nothing was sent, because there is no such file or it may not be read. */
  outcome: TransferOutcome | "refused";
  message: string | undefined;
};

export type TransfersOptions = {
  ports: DataPorts;
  chunks: ChunkCache;
  wheel: TimerWheel;
  open: OpenFile;
  onFetched: (fetch: Fetch) => void;
  log: Log;
  clock: Clock;
  limits: AdmissionLimits & QueueLimits & NegotiationLimits;
  patience: Patience;
  counters: TftpCounters;
  /** Answers from the port the request came to: for refusals, which need no transfer. */
  reply: (peer: Peer, packet: TftpPacket) => void;
  /** Reads a client's datagram; undefined: dropped and counted. */
  read: (bytes: Uint8Array) => TftpPacket | undefined;
};

/** A request that waits or is served; `session` and `port` are set once its file is open. */
type Entry = {
  key: number;
  request: ReadRequest;
  peer: Peer;
  startedAtMs: number;
  waits: boolean;
  port: DataPort | undefined;
  session: TransferSession | undefined;
};

/** A client that asks for the same again after so long a silence has begun anew; sooner, its request was doubled. */
const restartSilenceMs = 1000;

/** All transfers under way, by the client's address and port. */
export class Transfers {
  readonly #options: TransfersOptions;
  readonly #admission: Admission;
  readonly #queue: RequestQueue<Entry>;
  readonly #entries = new Map<number, Entry>();
  readonly #closing = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: TransfersOptions) {
    this.#options = options;
    this.#admission = new Admission(options.limits);
    this.#queue = new RequestQueue(options.limits, (entry) => {
      options.counters.busy += 1;
      this.#entries.delete(entry.key);
    });
  }

  get active(): number {
    return this.#admission.total;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** A read request came. */
  request(request: ReadRequest, peer: Peer): void {
    const { counters, clock } = this.#options;
    if (this.#stopped) return;
    counters.requests += 1;
    const key = keyOf(peer.number, peer.port);
    const nowMs = clock.nowMs();
    const earlier = this.#entries.get(key);
    if (earlier !== undefined && isRepeat(earlier, request)) {
      counters.duplicates += 1;
      if (earlier.waits) this.#queue.askedAgain(peer.address, earlier, nowMs);
      earlier.session?.requestRepeated();
      return;
    }
    // Boot ROMs that always use one port begin their next file before the end of the last was heard.
    if (earlier !== undefined) this.#leave(earlier);
    const waits = !this.#admission.enter(peer.address);
    const entry: Entry = {
      key,
      request,
      peer,
      startedAtMs: nowMs,
      waits,
      port: undefined,
      session: undefined,
    };
    if (waits && !this.#queue.add(peer.address, entry, nowMs)) {
      counters.busy += 1;
      return;
    }
    this.#entries.set(key, entry);
    if (waits) counters.waited += 1;
    else this.#begin(entry);
  }

  /** A datagram came to a transfer's port; false: it belongs to no transfer. */
  datagram(portIndex: number, bytes: Uint8Array, address: number, port: number): boolean {
    const entry = this.#entries.get(keyOf(address, port));
    if (entry?.session === undefined || entry.port?.index !== portIndex) return false;
    const acked = readAck(bytes);
    const packet: TftpPacket | undefined =
      acked === undefined ? this.#options.read(bytes) : { kind: "ack", block: acked };
    if (packet !== undefined) entry.session.receive(packet);
    return true;
  }

  /** Ends all of them and waits until their files are closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.clear();
    for (const entry of this.#entries.values()) entry.session?.stop();
    await Promise.allSettled(this.#closing);
  }

  #begin(entry: Entry): void {
    this.#serve(entry).catch((error: unknown) => {
      this.#options.log.error(
        { path: entry.request.path, peer: entry.peer.address },
        `tftp: ${messageOf(error)}`,
      );
      this.#release(entry);
    });
  }

  async #serve(entry: Entry): Promise<void> {
    const found = await openRequested(entry.request, entry.peer.address, this.#options.open);
    if (found.kind === "opened") {
      this.#transfer(entry, found.file);
      return;
    }
    const current = this.#release(entry);
    if (!current) return;
    if (found.kind === "later") {
      this.#options.counters.busy += 1;
      this.#options.log.warn({ path: entry.request.path, peer: entry.peer.address }, found.message);
      return;
    }
    this.#options.counters.refused += 1;
    this.#options.reply(entry.peer, { kind: "error", code: found.code, message: found.message });
    if (found.defect) {
      this.#options.log.error({ path: entry.request.path, peer: entry.peer.address }, found.message);
    }
    this.#report(entry, { outcome: "refused", message: found.message, bytes: 0 });
  }

  #transfer(entry: Entry, file: ServedFile): void {
    const { limits, patience, clock, chunks, wheel, ports } = this.#options;
    if (!this.#isCurrent(entry)) {
      this.#close(file);
      this.#release(entry);
      return;
    }
    const { oack, blockBytes, windowBlocks, timeoutMs } = negotiate(
      entry.request.options,
      file.sizeBytes,
      limits,
    );
    const ceilingMs = Math.min(patience.ceilingMs, timeoutMs ?? patience.ceilingMs);
    const plan = {
      sizeBytes: file.sizeBytes,
      blockBytes,
      windowBlocks,
      offersOptions: oack.length > 0,
      patience: { ...patience, ceilingMs },
    };
    const onEnd = (end: SessionEnd) => {
      this.#close(file);
      this.#ended(entry, end);
    };
    const address = entry.peer.number;
    entry.port = ports.take(address);
    const wire = wireTo(entry.port, address, entry.peer.port);
    entry.session = new TransferSession({ plan, oack, file, chunks, wire, clock, wheel, onEnd });
    entry.session.start();
  }

  #leave(entry: Entry): void {
    if (entry.waits) {
      this.#queue.remove(entry.peer.address, entry);
      this.#entries.delete(entry.key);
    } else if (entry.session === undefined) this.#release(entry);
    else entry.session.clientLeft("the client asked for something else");
  }

  #ended(entry: Entry, end: SessionEnd): void {
    const { counters, log } = this.#options;
    this.#release(entry);
    counters[end.outcome] += 1;
    counters.bytes += end.bytes;
    counters.repeats += end.repeats;
    const fields = { path: entry.request.path, peer: entry.peer.address, ...end };
    if (end.outcome === "failed") log.warn(fields, "tftp: transfer failed");
    else log.debug(fields, `tftp: transfer ${end.outcome}`);
    this.#report(entry, end);
  }

  #report(entry: Entry, end: Pick<Fetch, "outcome" | "message" | "bytes">): void {
    const { outcome, message, bytes } = end;
    const durationMs = this.#options.clock.nowMs() - entry.startedAtMs;
    this.#options.onFetched({
      path: entry.request.path,
      peer: entry.peer.address,
      bytes,
      durationMs,
      outcome,
      message,
    });
  }

  #isCurrent(entry: Entry): boolean {
    return !this.#stopped && this.#entries.get(entry.key) === entry;
  }

  /** True: the entry was in the table until now. */
  #release(entry: Entry): boolean {
    if (this.#entries.get(entry.key) !== entry) return false;
    this.#entries.delete(entry.key);
    this.#admission.leave(entry.peer.address);
    if (this.#queue.length > 0) this.#beginNext();
    return true;
  }

  /** Gives the place that became free to whoever waits for it. */
  #beginNext(): void {
    if (this.#stopped) return;
    const mayBegin = (client: Ip): boolean => this.#admission.mayEnter(client);
    const next = this.#queue.next(mayBegin, this.#options.clock.nowMs());
    if (next === undefined || !this.#admission.enter(next.peer.address)) return;
    next.waits = false;
    this.#begin(next);
  }

  #close(file: ServedFile): void {
    const closing = file.close().catch((error: unknown) => {
      this.#options.log.warn({}, `tftp: a file could not be closed: ${messageOf(error)}`);
    });
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}

/** One number for an address and a port. */
function keyOf(address: number, port: number): number {
  return address * 0x1_0000 + port;
}

function isRepeat({ request, session }: Entry, again: ReadRequest): boolean {
  if (JSON.stringify(request) !== JSON.stringify(again)) return false;
  return session === undefined || !session.answered || session.silentMs < restartSilenceMs;
}
