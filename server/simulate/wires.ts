import type dgram from "node:dgram";
import { Agent, type IncomingMessage, request as httpRequest } from "node:http";
import { decode as decodeDhcp } from "../dhcp/decode.ts";
import { encode as encodeDhcp } from "../dhcp/encode.ts";
import { bootReply } from "../dhcp/packet.ts";
import { DecodeError, errnoOf, messageOf } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import { macToBytes } from "../lib/mac.ts";
import { deviceUdpSocket } from "../net/device-socket.ts";
import { encode as encodeTftp } from "../tftp/codec.ts";
import type { Addresses } from "./addresses.ts";
import type { Effect, Event, HttpReply } from "./effects.ts";
import { TftpPort } from "./tftp-port.ts";

/** One DHCP socket for all simulated machines: an answer is a machine's by transaction number and hardware address. */
export class DhcpWire {
  readonly #socket: dgram.Socket;
  readonly #port: number;
  readonly #waiting = new Map<string, (event: Event) => void>();

  private constructor(socket: dgram.Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on("message", (bytes) => this.#receive(bytes));
    socket.on("error", () => undefined); // the waits run out
  }

  static async open(device: string, port: number): Promise<DhcpWire> {
    const socket = await deviceUdpSocket({ device, address: "0.0.0.0" as Ipv4, port: port + 1 });
    return new DhcpWire(socket, port);
  }

  send(bytes: Uint8Array, failed: (error: Error) => void): void {
    this.#socket.send(bytes, this.#port, "255.255.255.255", (error) => {
      if (error !== null) failed(error);
    });
  }

  /** The next message for this key; whoever waited for it before waits no more. */
  listen(key: string, take: (event: Event) => void): void {
    this.#waiting.set(key, take);
  }

  forget(key: string): void {
    this.#waiting.delete(key);
  }

  close(): void {
    this.#socket.close();
  }

  #receive(bytes: Uint8Array): void {
    try {
      const packet = decodeDhcp(bytes);
      if (packet.op !== bootReply) return;
      this.#waiting.get(keyOf(packet.xid, packet.chaddr))?.({ kind: "dhcp", packet });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
}

function keyOf(xid: number, chaddr: Uint8Array): string {
  return `${xid} ${Buffer.from(chaddr.subarray(0, 6)).toString("hex")}`;
}

export type MachineWireOptions = {
  dhcp: DhcpWire;
  addresses: Addresses;
  mac: string;
  tftpPort: number;
  /** Firmware's own pauses are multiplied by it. */
  pace: number;
};

/** An answer with an error in it is kept for its text, as far as this. */
const errorTextBytes = 2048;

/** Carries out one machine's effects with real sockets, from the address that it was given. */
export class MachineWire {
  readonly #options: MachineWireOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
  #address: string | undefined;
  #dhcpDeadlineMs = 0;
  #dhcpKey = "";
  #tftp: TftpPort | undefined;

  constructor(options: MachineWireOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  perform(effect: Effect): Event | Promise<Event> {
    switch (effect.kind) {
      case "dhcp":
        return this.#dhcp(effect);
      case "tftp":
        return this.#transfer(effect);
      case "http":
        return this.#http(effect);
      case "address":
        this.#address = effect.ip;
        return this.#options.addresses
          .add(effect.ip, effect.bits)
          .then(() => ({ kind: "done" as const }))
          .catch((error: unknown) => ({ kind: "broken" as const, message: messageOf(error) }));
      case "pause":
        return this.#wait(effect.why === "firmware" ? effect.ms * this.#options.pace : effect.ms);
      case "phase":
      case "note":
        return { kind: "done" };
    }
  }

  close(): void {
    this.#options.dhcp.forget(this.#dhcpKey);
    this.#tftp?.close();
    this.#agent.destroy();
  }

  #dhcp(effect: Effect & { kind: "dhcp" }): Promise<Event> {
    const { dhcp, mac } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Event>();
    if (effect.packet !== undefined) {
      this.#dhcpDeadlineMs = performance.now() + effect.waitMs;
      this.#dhcpKey = keyOf(effect.packet.xid, macToBytes(mac as never));
      const { bytes } = encodeDhcp(effect.packet);
      dhcp.send(bytes, (error) => resolve({ kind: "broken", message: error.message }));
    }
    const timer = setTimeout(
      () => resolve({ kind: "timeout" }),
      Math.max(0, this.#dhcpDeadlineMs - performance.now()),
    );
    dhcp.listen(this.#dhcpKey, resolve);
    return promise.finally(() => {
      clearTimeout(timer);
      dhcp.forget(this.#dhcpKey);
    });
  }

  async #wait(ms: number): Promise<Event> {
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    return { kind: "done" };
  }

  #transfer(effect: Effect & { kind: "tftp" }): Event | Promise<Event> {
    const { packet, server, waitMs } = effect;
    if (effect.to === "server" && (this.#tftp === undefined || this.#tftp.asked !== packet)) {
      this.#tftp?.close();
      const remote = { address: server, port: this.#options.tftpPort };
      this.#tftp = new TftpPort(remote, this.#address ?? "0.0.0.0", packet);
    }
    const port = this.#tftp;
    if (port === undefined) return { kind: "broken", message: "no transfer is under way" };
    return port.exchange(packet === undefined ? undefined : encodeTftp(packet), effect.to, waitMs);
  }

  async #http(effect: Effect & { kind: "http" }): Promise<Event> {
    const event = await this.#httpOnce(effect);
    return event === "stale" ? this.#http(effect) : event;
  }

  /** `stale`: a kept connection turned out to be closed; loaders and agents open another then. */
  #httpOnce({ request, waitMs }: Effect & { kind: "http" }): Promise<Event | "stale"> {
    const { promise, resolve } = Promise.withResolvers<Event | "stale">();
    const { method, url, headers, body, want } = request;
    const outgoing = httpRequest(url, {
      method,
      agent: this.#agent,
      ...(this.#address === undefined ? {} : { localAddress: this.#address }),
      headers: { ...headers, ...(body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) }) },
    });
    outgoing.setTimeout(waitMs, () => {
      resolve({ kind: "timeout" });
      outgoing.destroy();
    });
    outgoing.on("error", (error) => {
      const closed = ["ECONNRESET", "EPIPE"].includes(errnoOf(error) ?? "");
      resolve(closed && outgoing.reusedSocket ? "stale" : { kind: "broken", message: error.message });
    });
    outgoing.on("response", (response) => takeIn(response, want, resolve));
    outgoing.end(body);
    return promise;
  }
}

function takeIn(
  response: IncomingMessage,
  want: "text" | "bytes" | "count",
  resolve: (event: Event) => void,
): void {
  const status = response.statusCode ?? 0;
  const announced = Number(response.headers["content-length"]);
  const limit = want !== "count" ? Number.POSITIVE_INFINITY : status >= 400 ? errorTextBytes : 0;
  const kept: Buffer[] = [];
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    if (bytes < limit) kept.push(chunk);
    bytes += chunk.length;
  });
  response.on("error", (error) => resolve({ kind: "broken", message: error.message }));
  response.on("end", () => {
    const reply: HttpReply = { kind: "http", status, bytes, body: Buffer.concat(kept) };
    resolve(Number.isInteger(announced) ? { ...reply, lengthBytes: announced } : reply);
  });
}
