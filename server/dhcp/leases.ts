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

/** What one machine has of the pools of one wire. */
type Machine = {
  /** The address it had last. */
  last: Ipv4 | undefined;
  /** The one it is offered now. */
  held: Ipv4 | undefined;
};

/** What machines of one wire have of its pools. A port that is on two wires (VLANs) has an address on each. */
class WireLeases {
  readonly machines = new Map<Mac, Machine>();
  /** By client identifier, for a machine that comes back with another port. */
  readonly ipByIdentity = new Map<string, Ipv4>();

  machine(mac: Mac): Machine {
    const known = this.machines.get(mac);
    if (known !== undefined) return known;
    const machine = { last: undefined, held: undefined };
    this.machines.set(mac, machine);
    return machine;
  }
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

/** All that is known of one address: one look-up a packet finds it. */
type Place = {
  readonly ip: Ipv4;
  readonly number: number;
  /** None for an address outside of all pools: a node's own. */
  readonly pool: Pool | undefined;
  lease: Lease | undefined;
  hold: Hold | undefined;
};

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
  /** Addresses with a lease or a hold. */
  readonly #places = new Map<Ipv4, Place>();
  /** The address outside of all pools that each machine had last: a node's own. */
  readonly #ownIpByMac = new Map<Mac, Ipv4>();

  constructor(networks: readonly PoolPlace[], leases: readonly Lease[] = []) {
    for (const { subnet, wire, pools } of networks) {
      const shared = this.#wires.get(wire) ?? new WireLeases();
      this.#wires.set(wire, shared);
      this.#pools.set(subnet.base, new Pool(shared, pools));
    }
    for (const lease of leases) this.set(lease);
  }

  get(ip: Ipv4): Lease | undefined {
    return this.#places.get(ip)?.lease;
  }

  all(): readonly Lease[] {
    return [...this.#places.values()].flatMap(({ lease }) => lease ?? []);
  }

  set(lease: Lease): void {
    const place = this.#place(lease.ip);
    const { pool } = place;
    if (pool === undefined) {
      place.lease = lease;
      if (lease.state === "bound") this.#ownIpByMac.set(lease.mac, lease.ip);
      return;
    }
    const { wire } = pool;
    forget(place, wire);
    place.lease = lease;
    if (place.hold !== undefined) this.#dropHold(wire.machine(place.hold.mac));
    const machine = wire.machine(lease.mac);
    this.#dropHold(machine);
    queue(place, pool);
    if (lease.state === "declined") return;
    machine.last = lease.ip;
    if (hasIdentifier(lease)) wire.ipByIdentity.set(lease.client, lease.ip);
  }

  /** Back to what it was before: `earlier`, or no lease at all. */
  restore(ip: Ipv4, earlier: Lease | undefined): void {
    if (earlier !== undefined) return this.set(earlier);
    const place = this.#places.get(ip);
    if (place === undefined) return;
    if (place.pool !== undefined) forget(place, place.pool.wire);
    place.lease = undefined;
    if (place.pool !== undefined) queue(place, place.pool);
    this.#dropEmpty(place);
  }

  /** Keeps an offered pool address for the machine it was offered to; a machine has one at most on each wire. */
  hold(ip: Ipv4, mac: Mac, untilMs: number): void {
    const place = this.#place(ip);
    const { pool } = place;
    if (pool === undefined) return this.#dropEmpty(place);
    const { wire } = pool;
    const machine = wire.machine(mac);
    // Offered the same once more: the time is all that changes.
    if (machine.held !== ip) {
      this.#dropHold(machine);
      if (place.hold !== undefined) this.#dropHold(wire.machine(place.hold.mac));
      this.#places.set(ip, place); // it may have been empty without that hold
    }
    place.hold = { mac, untilMs };
    machine.held = ip;
    queue(place, pool);
  }

  /** Who has the address now; undefined when it is free. */
  holder(ip: Ipv4, nowMs: number): Holder | undefined {
    const place = this.#places.get(ip);
    if (place === undefined) return undefined;
    const { lease, hold } = place;
    if (lease !== undefined && lease.state !== "released" && lease.expiresAtMs > nowMs) {
      return lease.state === "declined" ? { kind: "quarantine" } : { kind: "machine", mac: lease.mac };
    }
    if (hold !== undefined && hold.untilMs > nowMs) return { kind: "machine", mac: hold.mac };
    return undefined;
  }

  /**
   * The pool address this machine was offered on the wire, has, or had last and nobody else has had since. `identity`: of
   * a machine that sends a client identifier.
   */
  lastAddress(wire: string, mac: Mac, identity: string | undefined, nowMs: number): Ipv4 | undefined {
    const known = this.#wires.get(wire);
    const machine = known?.machines.get(mac);
    const held = machine?.held;
    if (held !== undefined && (this.#places.get(held)?.hold?.untilMs ?? 0) > nowMs) return held;
    return machine?.last ?? (identity === undefined ? undefined : known?.ipByIdentity.get(identity));
  }

  /** The node's address that this machine holds. */
  ownAddressOf(mac: Mac, nowMs: number): Ipv4 | undefined {
    const ip = this.#ownIpByMac.get(mac);
    const lease = ip === undefined ? undefined : this.get(ip);
    const holds = lease?.mac === mac && lease.state === "bound" && lease.expiresAtMs > nowMs;
    return holds ? ip : undefined;
  }

  /** The latest lease of a pool address on the wire to this machine. */
  poolLeaseOf(wire: string, mac: Mac): Lease | undefined {
    const ip = this.#wires.get(wire)?.machines.get(mac)?.last;
    return ip === undefined ? undefined : this.get(ip);
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
      const place = this.#places.get(ip);
      const freeAtMs = place === undefined ? 0 : freeAtMsOf(place);
      if (freeAtMs > first.atMs) used.deferFirst(freeAtMs);
      else if (mayUse(ip)) return ip;
      else used.deferFirst(nowMs + passedOverMs);
    }
    return undefined;
  }

  #dropHold(machine: Machine): void {
    const { held } = machine;
    if (held === undefined) return;
    machine.held = undefined;
    const place = this.#places.get(held);
    if (place === undefined) return;
    place.hold = undefined;
    if (place.pool !== undefined) queue(place, place.pool);
    this.#dropEmpty(place);
  }

  #place(ip: Ipv4): Place {
    const known = this.#places.get(ip);
    if (known !== undefined) return known;
    const number = ipv4ToNumber(ip);
    const place: Place = { ip, number, pool: this.#poolOf(number), lease: undefined, hold: undefined };
    this.#places.set(ip, place);
    return place;
  }

  #dropEmpty({ ip, lease, hold }: Place): void {
    if (lease === undefined && hold === undefined) this.#places.delete(ip);
  }

  #poolOf(number: number): Pool | undefined {
    for (const pool of this.#pools.values()) if (pool.has(number)) return pool;
    return undefined;
  }
}

/** The machine that had the address has it no longer. */
function forget({ ip, lease }: Place, wire: WireLeases): void {
  if (lease === undefined) return;
  const machine = wire.machines.get(lease.mac);
  if (machine?.last === ip) machine.last = undefined;
  if (hasIdentifier(lease) && wire.ipByIdentity.get(lease.client) === ip) {
    wire.ipByIdentity.delete(lease.client);
  }
}

function queue(place: Place, pool: Pool): void {
  pool.used.add(place.number, freeAtMsOf(place));
}

/** When the address was or will be free, so that the one free for longest comes first. */
function freeAtMsOf({ lease, hold }: Place): number {
  return Math.max(lease?.expiresAtMs ?? 0, hold?.untilMs ?? 0);
}

/** Else `client` is the MAC once more (`identityOf`). */
function hasIdentifier({ client }: Lease): boolean {
  return client.startsWith("id:");
}
