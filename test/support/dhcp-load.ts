import { type Ipv4, ipv4FromNumber, ipv4ToNumber } from "../../server/lib/ipv4.ts";
import { type DatagramPort, openDatagramPort } from "../../server/net/datagram-port.ts";

/**
 * Many DHCP clients behind one relay agent, which this is: exchanges (DISCOVER, OFFER, REQUEST, ACK) begin at a steady
 * rate whatever becomes of the earlier ones, as a rack's do. It writes and reads packets by itself, at fixed offsets, so
 * that it neither costs more than the server nor shares its mistakes.
 */
export type DhcpLoadOptions = {
  /** Where the relay sits; replies come to port 67 there. */
  device: string;
  relay: Ipv4;
  server: Ipv4;
  exchangesPerSecond: number;
  /** How many clients there are; they ask in turn, again and again. */
  clients: number;
  /** MAC of the first one, as a number; those of the others follow. Default 02:00:00:00:00:01. */
  firstMac?: number;
  onAcknowledged?: (ack: Acknowledged) => void;
};

/** One ACK, as the client got it. */
export type Acknowledged = { mac: string; ip: Ipv4; xid: number; atMs: number; leaseSeconds: number };

export type DhcpLoadReport = {
  discovers: number;
  offers: number;
  requests: number;
  acknowledged: number;
  refused: number;
  /** From DISCOVER to ACK, without the client's own time between OFFER and REQUEST. */
  exchangeMs: { p50: number; p99: number; max: number };
};

// RFC 2131 section 2, figure 1; the options that are written here, in the order in which they are.
const xidAt = 4;
const yiaddrAt = 16;
const giaddrAt = 24;
const chaddrAt = 28;
const cookieAt = 236;
const optionsAt = 240;
const typeAt = optionsAt + 2;
const requestedAt = optionsAt + 5;
const serverAt = optionsAt + 11;
const packetBytes = 300;

const discover = 1;
const offer = 2;
const request = 3;
const ack = 5;
const nak = 6;

/** Exchanges that may be under way: a ring, the oldest is given up. */
const slots = 65_536;

export class DhcpLoad {
  readonly #options: DhcpLoadOptions;
  readonly #server: number;
  readonly #firstMac: number;
  readonly #discover = message(discover);
  readonly #request = message(request);
  readonly #clientOf = new Uint32Array(slots);
  /** When the DISCOVER, then the REQUEST was sent; 0: that is over. */
  readonly #sentAtMs = new Float64Array(slots);
  readonly #offerMs = new Float64Array(slots);
  readonly #exchangeMs: number[] = [];
  readonly #report = { discovers: 0, offers: 0, requests: 0, acknowledged: 0, refused: 0 };
  #port: DatagramPort | undefined;
  #timer: NodeJS.Timeout | undefined;
  #xid = 0;
  #startedAtMs = 0;
  #begun = 0;

  constructor(options: DhcpLoadOptions) {
    this.#options = options;
    this.#server = ipv4ToNumber(options.server);
    this.#firstMac = options.firstMac ?? 0x02_00_00_00_00_01;
    for (const packet of [this.#discover, this.#request]) {
      packet.writeUInt32BE(ipv4ToNumber(options.relay), giaddrAt);
    }
  }

  async start(): Promise<void> {
    const { device, relay } = this.#options;
    this.#port = await openDatagramPort(
      { device, address: relay, port: 67 },
      // A server that has just been killed: the next one will answer.
      { onDatagram: (bytes) => this.#receive(bytes), onError: () => undefined, onSendFault: () => undefined },
    );
    this.#startedAtMs = performance.now();
    this.#timer = setInterval(() => this.#beginDue(), 1);
  }

  /** Begins no more exchanges, waits a moment for those under way, tells what became of all. */
  async stop(lingerMs = 200): Promise<DhcpLoadReport> {
    clearInterval(this.#timer);
    await new Promise((resolve) => setTimeout(resolve, lingerMs));
    this.#port?.close();
    return this.report();
  }

  report(): DhcpLoadReport {
    const sorted = this.#exchangeMs.toSorted((left, right) => left - right);
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { ...this.#report, exchangeMs: { p50: at(0.5), p99: at(0.99), max: at(1) } };
  }

  #beginDue(): void {
    const { exchangesPerSecond, clients } = this.#options;
    const due = Math.floor(((performance.now() - this.#startedAtMs) * exchangesPerSecond) / 1000);
    // After a pause of this process what was missed is not made up for: that would be a burst, not a rate.
    this.#begun = Math.max(this.#begun, due - Math.ceil(exchangesPerSecond / 20));
    for (; this.#begun < due; this.#begun += 1) this.#begin(this.#begun % clients);
    this.#port?.flush();
  }

  #begin(client: number): void {
    this.#xid = (this.#xid + 1) >>> 0;
    const slot = this.#xid % slots;
    this.#clientOf[slot] = client;
    this.#discover.writeUInt32BE(this.#xid, xidAt);
    this.#discover.writeUIntBE(this.#firstMac + client, chaddrAt, 6);
    this.#sentAtMs[slot] = performance.now();
    this.#port?.send(this.#discover, this.#server, 67);
    this.#report.discovers += 1;
  }

  #receive(bytes: Buffer): void {
    if (bytes.length < packetBytes) return;
    const xid = bytes.readUInt32BE(xidAt);
    const slot = xid % slots;
    const client = this.#clientOf[slot] ?? 0;
    const sentAtMs = this.#sentAtMs[slot] ?? 0;
    if (sentAtMs === 0 || bytes.readUIntBE(chaddrAt, 6) !== this.#firstMac + client) return;
    const tookMs = performance.now() - sentAtMs;
    const type = bytes[valueOf(bytes, 53)];
    if (type === offer) this.#take(bytes, slot, tookMs);
    else if (type === ack) this.#end(bytes, slot, tookMs);
    else if (type === nak) this.#report.refused += 1;
  }

  #take(bytes: Buffer, slot: number, tookMs: number): void {
    this.#report.offers += 1;
    this.#offerMs[slot] = tookMs;
    bytes.copy(this.#request, xidAt, xidAt, xidAt + 4);
    bytes.copy(this.#request, chaddrAt, chaddrAt, chaddrAt + 6);
    bytes.copy(this.#request, requestedAt, yiaddrAt, yiaddrAt + 4);
    const server = valueOf(bytes, 54);
    bytes.copy(this.#request, serverAt, server, server + 4);
    this.#sentAtMs[slot] = performance.now();
    this.#port?.send(this.#request, this.#server, 67);
    this.#report.requests += 1;
  }

  #end(bytes: Buffer, slot: number, tookMs: number): void {
    this.#report.acknowledged += 1;
    this.#sentAtMs[slot] = 0;
    this.#exchangeMs.push(tookMs + (this.#offerMs[slot] ?? 0));
    this.#options.onAcknowledged?.({
      mac: bytes.toString("hex", chaddrAt, chaddrAt + 6).replaceAll(/..(?!$)/g, "$&:"),
      ip: ipv4FromNumber(bytes.readUInt32BE(yiaddrAt)),
      xid: bytes.readUInt32BE(xidAt),
      atMs: Date.now(),
      leaseSeconds: bytes.readUInt32BE(valueOf(bytes, 51)),
    });
  }
}

/** A client's message with the options that a DISCOVER or a REQUEST of a new client has. */
function message(type: number): Buffer {
  const packet = Buffer.alloc(packetBytes);
  packet.set([1, 1, 6, 1]); // op, htype, hlen, hops
  packet.writeUInt32BE(0x63825363, cookieAt);
  packet.set([53, 1, type], optionsAt);
  if (type === request) packet.set([50, 4, 0, 0, 0, 0, 54, 4, 0, 0, 0, 0], typeAt + 1);
  const parameters = [55, 6, 1, 3, 6, 12, 15, 28, 255];
  packet.set(parameters, type === request ? serverAt + 4 : typeAt + 1);
  return packet;
}

/** Where an option's value is; 0, the reply's first byte, when it has none. */
function valueOf(bytes: Buffer, wanted: number): number {
  for (let at = optionsAt; at + 1 < bytes.length;) {
    const code = bytes[at] ?? 255;
    if (code === 255) return 0;
    if (code === wanted) return at + 2;
    at += code === 0 ? 1 : 2 + (bytes[at + 1] ?? 0);
  }
  return 0;
}
