import { type Ipv4, type Ipv4Range, ipv4FromNumber, ipv4ToNumber, rangeContains } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { Lease } from "../model/node.ts";
import { AddressQueue } from "./address-queue.ts";

/** An address offered and not yet asked for. In memory only: who was offered it asks again after a restart. */
type Hold = { mac: Mac; untilMs: number };

/** Who keeps an address from others: a machine, or the quarantine after a DECLINE. */
export type Holder = { kind: "machine"; mac: Mac } | { kind: "quarantine" };

/** An address passed over (reserved, the head's own) is looked at again after this. */
const passedOverMs = 60_000;

/**
 * Every lease and the arithmetic of the pool. No clock, no store: the time is an argument, and what is set here is in
 * memory only. A lease belongs to a MAC address, not to a client identifier: firmware, iPXE and the system of one
 * machine send three identifiers (none, the MAC, a DUID) from one port, and would empty the pool three times as fast;
 * machines cloned from one image send one identifier from many ports, and would be given one address.
 */
export class LeaseTable {
  readonly #pool: Ipv4Range;
  readonly #byIp = new Map<Ipv4, Lease>();
  /** The pool address each machine had last. */
  readonly #poolIpByMac = new Map<Mac, Ipv4>();
  /** The same for client identifiers, for a machine that comes back with another port. */
  readonly #poolIpByIdentity = new Map<string, Ipv4>();
  readonly #holds = new Map<Ipv4, Hold>();
  readonly #heldByMac = new Map<Mac, Ipv4>();
  /** Pool addresses that were handed out or offered at least once. */
  readonly #used = new AddressQueue();
  /** The lowest pool address that may never have been used. */
  #fresh: number;

  constructor(pool: Ipv4Range, leases: readonly Lease[] = []) {
    this.#pool = pool;
    this.#fresh = ipv4ToNumber(pool.from);
    for (const lease of leases) this.set(lease);
  }

  get(ip: Ipv4): Lease | undefined {
    return this.#byIp.get(ip);
  }

  all(): readonly Lease[] {
    return [...this.#byIp.values()];
  }

  set(lease: Lease): void {
    this.#forget(lease.ip);
    this.#byIp.set(lease.ip, lease);
    const hold = this.#holds.get(lease.ip);
    if (hold !== undefined) this.#dropHold(hold.mac);
    this.#dropHold(lease.mac);
    this.#queue(lease.ip);
    if (lease.state === "declined" || !rangeContains(this.#pool, lease.ip)) return;
    this.#poolIpByMac.set(lease.mac, lease.ip);
    this.#poolIpByIdentity.set(lease.client, lease.ip);
  }

  /** Back to what it was before: `earlier`, or no lease at all. */
  restore(ip: Ipv4, earlier: Lease | undefined): void {
    if (earlier !== undefined) return this.set(earlier);
    this.#forget(ip);
    this.#byIp.delete(ip);
    this.#queue(ip);
  }

  /** Keeps an offered address for the machine it was offered to; a machine has one at most. */
  hold(ip: Ipv4, mac: Mac, untilMs: number): void {
    this.#dropHold(mac);
    const earlier = this.#holds.get(ip);
    if (earlier !== undefined) this.#dropHold(earlier.mac);
    this.#holds.set(ip, { mac, untilMs });
    this.#heldByMac.set(mac, ip);
    this.#queue(ip);
  }

  /** Who has the address now; undefined when it is free. */
  holder(ip: Ipv4, nowMs: number): Holder | undefined {
    const lease = this.#byIp.get(ip);
    if (lease !== undefined && lease.state !== "released" && lease.expiresAtMs > nowMs) {
      return lease.state === "declined" ? { kind: "quarantine" } : { kind: "machine", mac: lease.mac };
    }
    const hold = this.#holds.get(ip);
    if (hold !== undefined && hold.untilMs > nowMs) return { kind: "machine", mac: hold.mac };
    return undefined;
  }

  /** The pool address this machine was offered, has, or had last and nobody else has had since. */
  lastAddress(mac: Mac, identity: string, nowMs: number): Ipv4 | undefined {
    const held = this.#heldByMac.get(mac);
    const heldUntilMs = held === undefined ? 0 : (this.#holds.get(held)?.untilMs ?? 0);
    if (held !== undefined && heldUntilMs > nowMs) return held;
    return this.#poolIpByMac.get(mac) ?? this.#poolIpByIdentity.get(identity);
  }

  /** The latest lease of a pool address to this machine. */
  poolLeaseOf(mac: Mac): Lease | undefined {
    const ip = this.#poolIpByMac.get(mac);
    return ip === undefined ? undefined : this.#byIp.get(ip);
  }

  /** A pool address nobody has: one never used, else the one free for longest. `mayUse`: not reserved, not the head's. */
  freeAddress(nowMs: number, mayUse: (ip: Ipv4) => boolean): Ipv4 | undefined {
    const last = ipv4ToNumber(this.#pool.to);
    for (; this.#fresh <= last; this.#fresh += 1) {
      if (this.#used.has(this.#fresh)) continue;
      const ip = ipv4FromNumber(this.#fresh);
      if (mayUse(ip)) return ip;
      this.#used.add(this.#fresh, nowMs + passedOverMs);
    }
    for (let first = this.#used.first(); first !== undefined; first = this.#used.first()) {
      if (first.atMs > nowMs) return undefined;
      const ip = ipv4FromNumber(first.ip);
      const freeAtMs = this.#freeAtMs(ip);
      if (freeAtMs > first.atMs) this.#used.deferFirst(freeAtMs);
      else if (mayUse(ip)) return ip;
      else this.#used.deferFirst(nowMs + passedOverMs);
    }
    return undefined;
  }

  #dropHold(mac: Mac): void {
    const ip = this.#heldByMac.get(mac);
    if (ip === undefined) return;
    this.#heldByMac.delete(mac);
    this.#holds.delete(ip);
    this.#queue(ip);
  }

  #queue(ip: Ipv4): void {
    if (rangeContains(this.#pool, ip)) this.#used.add(ipv4ToNumber(ip), this.#freeAtMs(ip));
  }

  /** When the address was or will be free, so that the one free for longest comes first. */
  #freeAtMs(ip: Ipv4): number {
    return Math.max(this.#byIp.get(ip)?.expiresAtMs ?? 0, this.#holds.get(ip)?.untilMs ?? 0);
  }

  #forget(ip: Ipv4): void {
    const lease = this.#byIp.get(ip);
    if (lease === undefined) return;
    if (this.#poolIpByMac.get(lease.mac) === ip) this.#poolIpByMac.delete(lease.mac);
    if (this.#poolIpByIdentity.get(lease.client) === ip) this.#poolIpByIdentity.delete(lease.client);
  }
}
