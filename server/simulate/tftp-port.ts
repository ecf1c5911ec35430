import dgram from "node:dgram";
import { DecodeError } from "../lib/errors.ts";
import { decode } from "../tftp/codec.ts";
import type { Event } from "./effects.ts";

/** One TFTP transfer's port; the first answer says which port of the server's it is with (RFC 1350 section 4). */
export class TftpPort {
  /** The read request that it was opened for: said again, it comes from the same port. */
  readonly asked: unknown;
  /** Addresses are looked up at once: what is sent before `close` goes out. */
  readonly #socket = dgram.createSocket({
    type: "udp4",
    lookup: (address, _, found) => found(null, address, 4),
  });
  readonly #server: { address: string; port: number };
  #peerPort: number | undefined;
  /** What came while nobody waited. */
  readonly #came: Event[] = [];
  #take: ((event: Event) => void) | undefined;
  #closed = false;

  constructor(server: { address: string; port: number }, localAddress: string, asked: unknown) {
    this.#server = server;
    this.asked = asked;
    this.#socket.on("message", (bytes, peer) => this.#receive(bytes, peer));
    this.#socket.on("error", (error) => this.#tell({ kind: "broken", message: error.message }));
    this.#socket.bind({ address: localAddress, port: 0 });
  }

  /** Sends, if there is something to send, and waits for a packet. */
  exchange(bytes: Uint8Array | undefined, to: "server" | "transfer", waitMs: number): Event | Promise<Event> {
    if (bytes !== undefined) this.#send(bytes, to);
    if (waitMs === 0) return { kind: "done" };
    const waiting = this.#came.shift();
    if (waiting !== undefined) return waiting;
    const { promise, resolve } = Promise.withResolvers<Event>();
    const timer = setTimeout(() => this.#take?.({ kind: "timeout" }), waitMs);
    this.#take = (event) => {
      clearTimeout(timer);
      this.#take = undefined;
      resolve(event);
    };
    return promise;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #send(bytes: Uint8Array, to: "server" | "transfer"): void {
    const { address, port } = this.#server;
    this.#socket.send(bytes, to === "server" ? port : (this.#peerPort ?? port), address, (error) => {
      if (error !== null && !this.#closed) this.#tell({ kind: "broken", message: error.message });
    });
  }

  #receive(bytes: Uint8Array, peer: { address: string; port: number }): void {
    if (peer.address !== this.#server.address) return;
    this.#peerPort ??= peer.port;
    if (peer.port !== this.#peerPort) return;
    try {
      this.#tell({ kind: "tftp", packet: decode(bytes) });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }

  #tell(event: Event): void {
    if (this.#take === undefined) this.#came.push(event);
    else this.#take(event);
  }
}
