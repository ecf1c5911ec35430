import { type Ipv4, type Ipv4Range, ipv4FromNumber, ipv4ToNumber } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { Network } from "../model/network.ts";
import type { Lease } from "../model/node.ts";
import { AddressQueue } from "./address-queue.ts";

/** An address offered and not yet asked for. In memory only: who was offered it asks again after a restart. */
type Hold = { mac: Mac; untilMs: number };

/** Who keeps an address from others: a machine, or the quarantine after a DECLINE. */
export type Holder = { kind: "machine"; mac: Mac } | { kind: "quarantine" };

/** A network as far as the arithmetic of addresses goes. */
export type PoolPlace = Pick<Network, "subnet" | "wire" | "pools">;

/** An address passed over (reserved, the head's own) is looked at again after this. */
const passedOverMs = 60_000;

/** What machines of one wire have of its pools. A port that is on two wires (VLANs) has an address on each. */
class WireLeases {
  /** The pool address each machine had last. */
  readonly ipByMac = new Map<Mac, Ipv4>();
  /** The same for client identifiers, for a machine that comes back with another port. */
  readonly ipByIdentity = new Map<string, Ipv4>();
  readonly heldByMac = new Map<Mac, Ipv4>();
}

/** The free addresses of one network's pools. */
class Pool {
  readonly wire: WireLeases;
  readonly ranges: readonly { first: number; last: number }[];
  /** Addresses that were handed out or offered at least once. */
  readonly used = new AddressQueue();
  /** The lowest address of each range that may never have been used. */
  readonly #fresh: number[];

  constructor(wire: WireLeases, ranges: readonly Ipv4Range[]) {
    this.wire = wire;
    this.ranges = ranges.map(({ from, to }) => ({ first: ipv4ToNumber(from), last: ipv4ToNumber(to) }));
    this.#fresh = this.ranges.map(({ first }) => first);
  }

  has(ip: number): boolean {
    return this.ranges.some(({ first, last }) => ip >= first && ip <= last);
  }

  /** The lowest address never used that `mayUse`. */
  fresh(nowMs: number, mayUse: (ip: Ipv4) => boolean): Ipv4 | undefined {
    for (const [index, { last }] of this.ranges.entries()) {
      for (let next = this.#fresh[index] ?? last + 1; next <= last; next += 1) {
        this.#fresh[index] = next;
        if (this.used.has(next)) continue;
        const ip = ipv4FromNumber(next);
        if (mayUse(ip)) return ip;
        this.used.add(next, nowMs + passedOverMs);
      }
      this.#fresh[index] = last + 1;
    }
    return undefined;
  }
}

/**
 * Every lease and the arithmetic of the pools. No clock, no store: the time is an argument, and what is set here is in
 * memory only. A lease belongs to a MAC address, not to a client identifier: firmware, iPXE and the system of one
 * machine send three identifiers (none, the MAC, a DUID) from one port, and would empty the pool three times as fast;
 * machines cloned from one image send one identifier from many ports, and would be given one address.
 */
export class LeaseTable {
  readonly #wires = new Map<string, WireLeases>();
  /** By the network's lowest address. */
  readonly #pools = new Map<Ipv4, Pool>();
  readonly #byIp = new Map<Ipv4, Lease>();
  /** The address outside of all pools that each machine had last: a node's own. */
  readonly #ownIpByMac = new Map<Mac, Ipv4>();
  readonly #holds = new Map<Ipv4, Hold>();

  constructor(networks: readonly PoolPlace[], leases: readonly Lease[] = []) {
    for (const { subnet, wire, pools } of networks) {
      const shared = this.#wires.get(wire) ?? new WireLeases();
      this.#wires.set(wire, shared);
      this.#pools.set(subnet.base, new Pool(shared, pools));
    }
    for (const lease of leases) this.set(lease);
  }

  get(ip: Ipv4): Lease | undefined {
    return this.#byIp.get(ip);
  }

  all(): readonly Lease[] {
    return [...this.#byIp.values()];
  }

  set(lease: Lease): void {
    const pool = this.#poolOf(lease.ip);
    this.#forget(lease.ip, pool);
    this.#byIp.set(lease.ip, lease);
    if (pool === undefined) {
      if (lease.state === "bound") this.#ownIpByMac.set(lease.mac, lease.ip);
      return;
    }
    const hold = this.#holds.get(lease.ip);
    if (hold !== undefined) this.#dropHold(pool.wire, hold.mac);
    this.#dropHold(pool.wire, lease.mac);
    this.#queue(lease.ip, pool);
    if (lease.state === "declined") return;
    pool.wire.ipByMac.set(lease.mac, lease.ip);
    pool.wire.ipByIdentity.set(lease.client, lease.ip);
  }

  /** Back to what it was before: `earlier`, or no lease at all. */
  restore(ip: Ipv4, earlier: Lease | undefined): void {
    if (earlier !== undefined) return this.set(earlier);
    const pool = this.#poolOf(ip);
    this.#forget(ip, pool);
    this.#byIp.delete(ip);
    if (pool !== undefined) this.#queue(ip, pool);
  }

  /** Keeps an offered pool address for the machine it was offered to; a machine has one at most on each wire. */
  hold(ip: Ipv4, mac: Mac, untilMs: number): void {
    const pool = this.#poolOf(ip);
    if (pool === undefined) return;
    this.#dropHold(pool.wire, mac);
    const earlier = this.#holds.get(ip);
    if (earlier !== undefined) this.#dropHold(pool.wire, earlier.mac);
    this.#holds.set(ip, { mac, untilMs });
    pool.wire.heldByMac.set(mac, ip);
    this.#queue(ip, pool);
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

  /** The pool address this machine was offered on the wire, has, or had last and nobody else has had since. */
  lastAddress(wire: string, mac: Mac, identity: string, nowMs: number): Ipv4 | undefined {
    const known = this.#wires.get(wire);
    const held = known?.heldByMac.get(mac);
    const heldUntilMs = held === undefined ? 0 : (this.#holds.get(held)?.untilMs ?? 0);
    if (held !== undefined && heldUntilMs > nowMs) return held;
    return known?.ipByMac.get(mac) ?? known?.ipByIdentity.get(identity);
  }

  /** The node's address that this machine holds. */
  ownAddressOf(mac: Mac, nowMs: number): Ipv4 | undefined {
    const ip = this.#ownIpByMac.get(mac);
    const lease = ip === undefined ? undefined : this.#byIp.get(ip);
    const holds = lease?.mac === mac && lease.state === "bound" && lease.expiresAtMs > nowMs;
    return holds ? ip : undefined;
  }

  /** The latest lease of a pool address on the wire to this machine. */
  poolLeaseOf(wire: string, mac: Mac): Lease | undefined {
    const ip = this.#wires.get(wire)?.ipByMac.get(mac);
    return ip === undefined ? undefined : this.#byIp.get(ip);
  }

  /**
   * An address of the network's pools that nobody has: one never used, else the one free for longest. `mayUse`: not
   * reserved, not the head's.
   */
  freeAddress(
    network: Pick<PoolPlace, "subnet">,
    nowMs: number,
    mayUse: (ip: Ipv4) => boolean,
  ): Ipv4 | undefined {
    const pool = this.#pools.get(network.subnet.base);
    if (pool === undefined) return undefined;
    const fresh = pool.fresh(nowMs, mayUse);
    if (fresh !== undefined) return fresh;
    const { used } = pool;
    for (let first = used.first(); first !== undefined; first = used.first()) {
      if (first.atMs > nowMs) return undefined;
      const ip = ipv4FromNumber(first.ip);
      const freeAtMs = this.#freeAtMs(ip);
      if (freeAtMs > first.atMs) used.deferFirst(freeAtMs);
      else if (mayUse(ip)) return ip;
      else used.deferFirst(nowMs + passedOverMs);
    }
    return undefined;
  }

  #dropHold(wire: WireLeases, mac: Mac): void {
    const ip = wire.heldByMac.get(mac);
    if (ip === undefined) return;
    wire.heldByMac.delete(mac);
    this.#holds.delete(ip);
    const pool = this.#poolOf(ip);
    if (pool !== undefined) this.#queue(ip, pool);
  }

  #queue(ip: Ipv4, pool: Pool): void {
    pool.used.add(ipv4ToNumber(ip), this.#freeAtMs(ip));
  }

  /** When the address was or will be free, so that the one free for longest comes first. */
  #freeAtMs(ip: Ipv4): number {
    return Math.max(this.#byIp.get(ip)?.expiresAtMs ?? 0, this.#holds.get(ip)?.untilMs ?? 0);
  }

  #forget(ip: Ipv4, pool: Pool | undefined): void {
    const lease = this.#byIp.get(ip);
    if (lease === undefined || pool === undefined) return;
    const { ipByMac, ipByIdentity } = pool.wire;
    if (ipByMac.get(lease.mac) === ip) ipByMac.delete(lease.mac);
    if (ipByIdentity.get(lease.client) === ip) ipByIdentity.delete(lease.client);
  }

  #poolOf(ip: Ipv4): Pool | undefined {
    const value = ipv4ToNumber(ip);
    for (const pool of this.#pools.values()) if (pool.has(value)) return pool;
    return undefined;
  }
}
