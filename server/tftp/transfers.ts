import type { Clock } from "../lib/clock.ts";
import { messageOf } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Log } from "../lib/log.ts";
import { Admission, type AdmissionLimits } from "./admission.ts";
import { openWire } from "./client-wire.ts";
import type { TftpCounters } from "./counters.ts";
import { type NegotiationLimits, negotiate } from "./negotiate.ts";
import type { ReadRequest, TftpPacket } from "./packet.ts";
import { openRequested } from "./requested-file.ts";
import type { Patience } from "./round-trip.ts";
import type { OpenFile, ServedFile } from "./served-file.ts";
import { type SessionEnd, TransferSession, type Wire } from "./transfer-session.ts";
import type { TransferOutcome } from "./transfer.ts";

export type Peer = { address: Ipv4; port: number };

/** One request as it ended. */
export type Fetch = {
  /** As the client wrote it. */
  path: string;
  peer: Ipv4;
  /** Acknowledged by the client. */
  bytes: number;
  durationMs: number;
  /** "refused": nothing was sent, because there is no such file or it may not be read. */
  outcome: TransferOutcome | "refused";
  message: string | undefined;
};

export type TransfersOptions = {
  place: { device: string; address: Ipv4 };
  open: OpenFile;
  onFetched: (fetch: Fetch) => void;
  log: Log;
  clock: Clock;
  limits: AdmissionLimits & NegotiationLimits;
  patience: Patience;
  counters: TftpCounters;
  /** Answers from the port the request came to: for refusals, which need no transfer. */
  reply: (peer: Peer, packet: TftpPacket) => void;
  /** Reads a client's datagram; undefined: dropped and counted. */
  read: (bytes: Uint8Array) => TftpPacket | undefined;
};

/** A request being served; `session` is set once its file is open. */
type Entry = {
  request: ReadRequest;
  peer: Peer;
  startedAtMs: number;
  session: TransferSession | undefined;
};

/** A client that asks for the same again after so long a silence has begun anew; sooner, its request was doubled. */
const restartSilenceMs = 1000;

/** All transfers under way, by the client's address and port. */
export class Transfers {
  readonly #options: TransfersOptions;
  readonly #admission: Admission;
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: TransfersOptions) {
    this.#options = options;
    this.#admission = new Admission(options.limits);
  }

  get active(): number {
    return this.#admission.total;
  }

  /** A read request came. */
  request(request: ReadRequest, peer: Peer): void {
    const { counters, clock } = this.#options;
    if (this.#stopped) return;
    counters.requests += 1;
    const key = keyOf(peer);
    const earlier = this.#entries.get(key);
    if (earlier !== undefined && isRepeat(earlier, request)) {
      counters.duplicates += 1;
      earlier.session?.requestRepeated();
      return;
    }
    // Boot ROMs that always use one port begin their next file before the end of the last was heard.
    if (earlier !== undefined) this.#leave(earlier);
    if (!this.#admission.enter(peer.address)) {
      counters.busy += 1;
      return;
    }
    const entry: Entry = { request, peer, startedAtMs: clock.nowMs(), session: undefined };
    this.#entries.set(key, entry);
    this.#serve(entry).catch((error: unknown) => {
      this.#options.log.error({ path: request.path, peer: peer.address }, `tftp: ${messageOf(error)}`);
      this.#release(entry);
    });
  }

  /** Ends all of them and waits until their files are closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const entry of this.#entries.values()) entry.session?.stop();
    await Promise.allSettled(this.#closing);
  }

  async #serve(entry: Entry): Promise<void> {
    const found = await openRequested(entry.request, entry.peer.address, this.#options.open);
    if (found.kind === "opened") return this.#transfer(entry, found.file);
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

  async #transfer(entry: Entry, file: ServedFile): Promise<void> {
    const { limits, patience, clock } = this.#options;
    const wire = await this.#wireFor(entry);
    if (wire === undefined || !this.#isCurrent(entry)) {
      wire?.close();
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
    entry.session = new TransferSession({ plan, oack, file, wire, clock, onEnd });
    entry.session.start();
  }

  /** Undefined when the machine has no socket left: no answer then, and the client asks again. */
  async #wireFor(entry: Entry): Promise<Wire | undefined> {
    const { place, read, counters, log } = this.#options;
    const fields = { path: entry.request.path, peer: entry.peer.address };
    try {
      return await openWire(place, entry.peer, {
        onDatagram: (bytes) => {
          const packet = read(bytes);
          if (packet !== undefined) entry.session?.receive(packet);
        },
        onPortClosed: () => entry.session?.clientLeft("the client closed its port"),
        onError: (error) => {
          counters.socketErrors += 1;
          log.debug(fields, `tftp: ${error.message}`);
        },
      });
    } catch (error) {
      counters.busy += 1;
      log.warn(fields, `tftp: ${messageOf(error)}`);
      return undefined;
    }
  }

  #leave(entry: Entry): void {
    if (entry.session === undefined) this.#release(entry);
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
    return !this.#stopped && this.#entries.get(keyOf(entry.peer)) === entry;
  }

  /** True: the entry was in the table until now. */
  #release(entry: Entry): boolean {
    const key = keyOf(entry.peer);
    if (this.#entries.get(key) !== entry) return false;
    this.#entries.delete(key);
    this.#admission.leave(entry.peer.address);
    return true;
  }

  #close(file: ServedFile): void {
    const closing = file.close().catch((error: unknown) => {
      this.#options.log.warn({}, `tftp: a file could not be closed: ${messageOf(error)}`);
    });
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}

function keyOf(peer: Peer): string {
  return `${peer.address}:${peer.port}`;
}

function isRepeat({ request, session }: Entry, again: ReadRequest): boolean {
  if (JSON.stringify(request) !== JSON.stringify(again)) return false;
  return session === undefined || !session.answered || session.silentMs < restartSilenceMs;
}
