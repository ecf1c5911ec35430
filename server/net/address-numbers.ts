import { ipv4FromNumber } from "../lib/ipv4.ts";
import { type Ip, ipv6FromBytes } from "../lib/ipv6.ts";
import { swapped } from "./datagram-layout.ts";
import { AF_INET, AF_INET6 } from "./linux.ts";

/** A family's addresses, as they stand in a struct sockaddr and as the numbers by which datagram ports name them. */
export type AddressNumbers = {
  /** Of its struct sockaddr, in 32-bit words: family in host order, port and address in the network's. */
  readonly nameWords: number;
  /** The address in the structure at word `at`. */
  read: (words: Uint32Array, at: number) => number;
  write: (words: Uint32Array, at: number, address: number, port: number) => void;
  textOf: (address: number) => Ip;
};

/** struct sockaddr_in (ip(7)); the number is the address itself. */
export const ipv4Numbers: AddressNumbers = {
  nameWords: 4,
  read: (words, at) => swapped(words[at + 1] ?? 0) >>> 0,
  write: (words, at, address, port) => {
    words[at] = familyAndPort(AF_INET, port);
    words[at + 1] = swapped(address);
  },
  textOf: ipv4FromNumber,
};

/** Addresses remembered at a time; more are clients of somebody who makes them up. */
const remembered = 65_536;
/** Beyond every IPv4 address; with a port behind it a number of 53 bits for longer than any head runs. */
const firstNumber = 2 ** 32;

/**
 * struct sockaddr_in6 (ipv6(7)). Addresses are numbered as they are first seen, and the oldest are forgotten: one that
 * comes again is another then, and to a forgotten one nothing is sent. Ports that know the same clients share one.
 */
export class Ipv6Numbers implements AddressNumbers {
  readonly nameWords = 7;
  readonly #numbers = new Map<string, number>();
  readonly #names = new Map<number, { key: string; words: Uint32Array }>();
  #next = firstNumber;

  read(words: Uint32Array, at: number): number {
    // The address and, for a link-local one, its link.
    const key = `${words[at + 2]},${words[at + 3]},${words[at + 4]},${words[at + 5]},${words[at + 6]}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#next;
    this.#next += 1;
    this.#numbers.set(key, number);
    this.#names.set(number, { key, words: words.slice(at, at + this.nameWords) });
    if (this.#names.size > remembered) this.#forgetOldest();
    return number;
  }

  write(words: Uint32Array, at: number, address: number, port: number): void {
    const name = this.#names.get(address)?.words;
    // A structure of no family (0) is refused by the kernel.
    if (name === undefined) words.fill(0, at, at + this.nameWords);
    else words.set(name, at);
    if (name !== undefined) words[at] = familyAndPort(AF_INET6, port);
  }

  textOf(address: number): Ip {
    const words = this.#names.get(address)?.words ?? new Uint32Array(this.nameWords);
    return ipv6FromBytes(new Uint8Array(words.buffer, words.byteOffset + 8, 16));
  }

  #forgetOldest(): void {
    for (const [number, { key }] of this.#names) {
      this.#names.delete(number);
      this.#numbers.delete(key);
      return;
    }
  }
}

/** For ports on an address of that family. */
export function numbersFor(address: Ip): AddressNumbers {
  return address.includes(":") ? new Ipv6Numbers() : ipv4Numbers;
}

/** First word of the structure. */
function familyAndPort(family: number, port: number): number {
  return family | ((((port & 0xff) << 8) | (port >>> 8)) << 16);
}
