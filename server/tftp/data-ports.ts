import { readFileSync } from "node:fs";
import type { Ip } from "../lib/ipv6.ts";
import type { AddressNumbers } from "../net/address-numbers.ts";
import type { DatagramHandlers, DatagramPort, OpenDatagramPort } from "../net/datagram-port.ts";
import type { Wire } from "./transfer-session.ts";

/** Ports that all transfers share: as few as will do, so that each has many datagrams whenever it is looked at. */
const sharedPorts = 2;

/** Clients whose last port is remembered. */
const rememberedClients = 8192;

/** `index`: its place among them. */
export type DataPort = { index: number; port: DatagramPort };

/**
 * Where the blocks leave from: a few ports that transfers share, or, for firewalls, the port of the requests alone. A
 * client's next transfer has another port than its last, so that what is still under way of the one is not taken for
 * the other's (RFC 1350 section 4), though boot ROMs use one port of their own for all.
 */
export class DataPorts {
  readonly #ports: DatagramPort[] = [];
  readonly #lastOf = new Map<number, number>();
  #next = 0;

  /** Opens ports of their own for the transfers; `handlersOf` makes each one's. */
  async open(
    open: OpenDatagramPort,
    place: { device: string; address: Ip; numbers: AddressNumbers },
    handlersOf: (index: number) => DatagramHandlers,
  ): Promise<void> {
    for (let index = 0; index < sharedPorts; index += 1) {
      const { device, address, numbers } = place;
      this.#ports.push(await open({ device, address, port: 0 }, handlersOf(index), { numbers }));
    }
  }

  /** All transfers by this one, which stays its owner's. */
  useOnly(port: DatagramPort): void {
    this.#ports.push(port);
  }

  /** For a client's next transfer. */
  take(address: number): DataPort {
    const last = this.#lastOf.get(address);
    let index = this.#next % this.#ports.length;
    if (index === last) index = (index + 1) % this.#ports.length;
    this.#next = index + 1;
    this.#lastOf.delete(address);
    this.#lastOf.set(address, index);
    if (this.#lastOf.size > rememberedClients) this.#forgetOldest();
    const port = this.#ports[index];
    if (port === undefined) throw new Error("no port is open");
    return { index, port };
  }

  close(): void {
    for (const port of this.#ports) port.close();
    this.#ports.length = 0;
  }

  #forgetOldest(): void {
    for (const address of this.#lastOf.keys()) {
      this.#lastOf.delete(address);
      return;
    }
  }
}

/** One client's way out by a port. */
export function wireTo({ port }: DataPort, address: number, clientPort: number): Wire {
  return {
    send: (datagram) => port.send(datagram, address, clientPort),
    sendBlock: (head, body, from, length) => port.sendPinned(head, body, from, length, address, clientPort),
  };
}

/** UDP's header and TFTP's own four bytes. */
const headerBytes = 8 + 4;

/** The largest block that travels in one frame of the device: 1468 bytes on plain Ethernet, 1448 by IPv6. */
export function frameBlockBytes(device: string, address: Ip): number {
  const ipBytes = address.includes(":") ? 40 : 20;
  return Math.min(65464, mtuOf(device) - ipBytes - headerBytes);
}

function mtuOf(device: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${device}/mtu`, "utf8"));
  } catch {
    return 1500; // /sys shows another network namespace
  }
}
