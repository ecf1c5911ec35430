import dgram from "node:dgram";
import { once } from "node:events";
import { decode, encode } from "../../../server/tftp/codec.ts";
import type { TftpOption, TftpPacket } from "../../../server/tftp/packet.ts";

type Arrived = { packet: TftpPacket; port: number };

/** A client that does nothing by itself: every packet is sent and awaited by the test. */
export class RawClient {
  readonly #socket: dgram.Socket;
  readonly #arrived: Arrived[] = [];
  readonly #serverPort: number;
  #wake: (() => void) | undefined;
  /** Where the last answer came from: the transfer's own port. */
  transferPort = 0;

  private constructor(socket: dgram.Socket, serverPort: number) {
    this.#socket = socket;
    this.#serverPort = serverPort;
    socket.on("message", (bytes, from) => {
      this.#arrived.push({ packet: decode(bytes), port: from.port });
      this.#wake?.();
    });
  }

  static async open(serverPort: number): Promise<RawClient> {
    const socket = dgram.createSocket("udp4");
    const bound = once(socket, "listening");
    socket.bind(0, "127.0.0.1");
    await bound;
    return new RawClient(socket, serverPort);
  }

  request(path: string, options: Record<string, string> = {}, mode = "octet"): void {
    const list: TftpOption[] = Object.entries(options).map(([name, value]) => ({ name, value }));
    this.raw(encode({ kind: "rrq", path, mode, options: list }));
  }

  /** To the server's own port. */
  raw(bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#serverPort, "127.0.0.1");
  }

  /** To the transfer's port. */
  send(packet: TftpPacket): void {
    this.#socket.send(encode(packet), this.transferPort, "127.0.0.1");
  }

  ack(block: number): void {
    this.send({ kind: "ack", block });
  }

  async next(): Promise<TftpPacket> {
    let first = this.#arrived.shift();
    while (first === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      first = this.#arrived.shift();
    }
    this.transferPort = first.port;
    return first.packet;
  }

  /** Reads a whole file, block by block. */
  async fetch(path: string, options: Record<string, string> = {}): Promise<Buffer> {
    this.request(path, options);
    const blockBytes = Number(options["blksize"] ?? 512);
    const windowBlocks = Number(options["windowsize"] ?? 1);
    const blocks: Uint8Array[] = [];
    let told = false;
    for (;;) {
      const packet = await this.next();
      if (packet.kind === "oack") this.ack(0);
      else if (packet.kind === "data") {
        if (packet.block !== ((blocks.length + 1) & 0xffff)) {
          // Sent again, in a smaller window perhaps, whose end is not the end of ours (RFC 7440 section 4).
          if (!told) this.ack(blocks.length & 0xffff);
          told = true;
          continue;
        }
        told = false;
        blocks.push(Uint8Array.from(packet.data));
        const isLast = packet.data.length < blockBytes;
        if (isLast || blocks.length % windowBlocks === 0) this.ack(packet.block);
        if (isLast) return Buffer.concat(blocks);
      } else throw new Error(JSON.stringify(packet));
    }
  }

  close(): void {
    this.#socket.close();
  }
}
