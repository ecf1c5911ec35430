import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AddressQueue } from "../../../server/dhcp/address-queue.ts";
import { LeaseTable, type PoolPlace } from "../../../server/dhcp/leases.ts";
import { type Ipv4, ipv4FromNumber, ipv4ToNumber } from "../../../server/lib/ipv4.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import type { Lease } from "../../../server/model/node.ts";
import { ip, mac } from "../../support/dhcp-scene.ts";

const pool = { from: ip("10.77.0.200"), to: ip("10.77.0.203") };
const network = placeOf(pool);
const { wire } = network;
const anna = mac("52:54:00:00:00:0a");
const bert = mac("52:54:00:00:00:0b");
const any = (): boolean => true;

function placeOf(...pools: { from: Ipv4; to: Ipv4 }[]): PoolPlace {
  return { subnet: { base: ip("10.77.0.0"), bits: 24 }, wire: "eth0", pools };
}

function lease(last: number, changes: Partial<Lease> = {}): Lease {
  const base = { ip: ip(`10.77.0.${last}`), client: `mac:${anna}`, mac: anna, state: "bound" } as const;
  return { ...base, startedAtMs: 0, expiresAtMs: 1000, ...changes };
}

test("addresses never used come first, in order; then the one that is free for longest", () => {
  const table = new LeaseTable([network]);
  const given: Ipv4[] = [];
  for (const [index, expiresAtMs] of [4000, 2000, 3000, 1000].entries()) {
    const free = table.freeAddress(network, 0, any);
    assert.ok(free);
    given.push(free);
    table.set(lease(200 + index, { expiresAtMs, mac: mac(`52:54:00:00:01:0${index}`) }));
  }
  assert.deepEqual(given, ["10.77.0.200", "10.77.0.201", "10.77.0.202", "10.77.0.203"]);
  assert.equal(table.freeAddress(network, 999, any), undefined, "all taken");
  assert.equal(table.freeAddress(network, 5000, any), "10.77.0.203");
  table.hold(ip("10.77.0.203"), bert, 6000);
  assert.equal(table.freeAddress(network, 5000, any), "10.77.0.201");
});

test("an address that was offered to one machine and leased to another is no longer kept for the first", () => {
  const table = new LeaseTable([network]);
  table.hold(ip("10.77.0.200"), bert, 6000);
  table.set(lease(200, { expiresAtMs: 5000 }));
  assert.equal(table.lastAddress(wire, bert, undefined, 10), undefined);
  table.hold(ip("10.77.0.201"), bert, 6000);
  assert.deepEqual(table.holder(ip("10.77.0.200"), 10), { kind: "machine", mac: anna });
  assert.equal(table.lastAddress(wire, bert, undefined, 10), "10.77.0.201");
});

test("a release frees the address at once, not when the lease would have ended", () => {
  const table = new LeaseTable([placeOf({ from: pool.from, to: pool.from })]);
  table.set(lease(200, { expiresAtMs: 1_000_000 }));
  assert.equal(table.freeAddress(network, 10, any), undefined);
  table.set(lease(200, { state: "released", expiresAtMs: 10 }));
  assert.equal(table.freeAddress(network, 10, any), "10.77.0.200");
});

test("a lease taken back leaves the address as it was", () => {
  const table = new LeaseTable([placeOf({ from: pool.from, to: pool.from })]);
  table.set(lease(200, { expiresAtMs: 1_000_000 }));
  table.restore(ip("10.77.0.200"), undefined);
  assert.equal(table.get(ip("10.77.0.200")), undefined);
  assert.equal(table.lastAddress(wire, anna, `mac:${anna}`, 10), undefined);
  assert.equal(table.freeAddress(network, 10, any), "10.77.0.200");
});

test("a returning machine finds its last address by its MAC, or by its client identifier", () => {
  const table = new LeaseTable([network], [lease(202, { client: "id:aa" })]);
  assert.equal(table.lastAddress(wire, anna, "id:bb", 99_999), "10.77.0.202");
  assert.equal(table.lastAddress(wire, bert, "id:aa", 99_999), "10.77.0.202");
  assert.equal(table.lastAddress(wire, bert, "id:cc", 99_999), undefined);
  table.set(lease(202, { mac: bert, client: "id:cc" }));
  assert.equal(table.lastAddress(wire, anna, "id:bb", 99_999), undefined, "somebody else has had it since");
});

test("an offer holds the address for a while, and for one machine only", () => {
  const table = new LeaseTable([network]);
  table.hold(ip("10.77.0.200"), anna, 10_000);
  assert.deepEqual(table.holder(ip("10.77.0.200"), 9999), { kind: "machine", mac: anna });
  assert.equal(table.holder(ip("10.77.0.200"), 10_000), undefined);
  assert.equal(table.freeAddress(network, 0, any), "10.77.0.201");
  table.hold(ip("10.77.0.201"), anna, 20_000);
  assert.equal(table.holder(ip("10.77.0.200"), 5000), undefined, "its second offer replaces the first");
});

test("a machine whose offer ran out takes nothing from the machine that was offered the address next", () => {
  const table = new LeaseTable([network]);
  table.hold(ip("10.77.0.200"), anna, 1000);
  table.hold(ip("10.77.0.200"), bert, 3000);
  table.hold(ip("10.77.0.201"), anna, 3000);
  assert.deepEqual(table.holder(ip("10.77.0.200"), 2000), { kind: "machine", mac: bert });
});

test("a declined address rests until its quarantine is over", () => {
  const table = new LeaseTable([placeOf({ from: pool.from, to: pool.from })]);
  table.set(lease(200, { state: "declined", expiresAtMs: 5000 }));
  assert.deepEqual(table.holder(ip("10.77.0.200"), 4999), { kind: "quarantine" });
  assert.equal(table.freeAddress(network, 4999, any), undefined);
  assert.equal(table.freeAddress(network, 5000, any), "10.77.0.200");
  assert.equal(
    table.lastAddress(wire, anna, `mac:${anna}`, 6000),
    undefined,
    "it is not offered back to who declined",
  );
});

test("an address passed over because it is reserved comes back when it is not any more", () => {
  const table = new LeaseTable([placeOf({ from: pool.from, to: pool.from })]);
  assert.equal(
    table.freeAddress(network, 0, () => false),
    undefined,
  );
  assert.equal(table.freeAddress(network, 60_000, any), "10.77.0.200");
});

test("leases from before the start are taken into account, also outside of the pool", () => {
  const table = new LeaseTable([network], [lease(200), lease(9, { ip: ip("10.77.0.9") })]);
  assert.equal(table.freeAddress(network, 0, any), "10.77.0.201");
  assert.deepEqual(
    table.all().map((entry) => entry.ip),
    ["10.77.0.200", "10.77.0.9"],
  );
});

/** Random histories against a plain scan of the pool. */
test("what is handed out is free and the least recently used, in any history", () => {
  const step = fc.record({
    advanceMs: fc.integer({ min: 0, max: 3000 }),
    what: fc.constantFrom("take", "release", "hold", "decline"),
    who: fc.integer({ min: 0, max: 7 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = new LeaseTable([network]);
      const holds = new Map<Mac, { ip: Ipv4; untilMs: number }>();
      let nowMs = 0;
      for (const { advanceMs, what, who } of steps) {
        nowMs += advanceMs;
        const owner = mac(`52:54:00:00:02:0${who}`);
        const free = table.freeAddress(network, nowMs, any);
        checkChoice(table, holds, free, nowMs);
        const own = table.poolLeaseOf(wire, owner);
        if (what === "release" && own !== undefined) {
          table.set({ ...own, state: "released", expiresAtMs: Math.min(own.expiresAtMs, nowMs) });
          holds.delete(owner);
          for (const [holder, hold] of holds) if (hold.ip === own.ip) holds.delete(holder);
        }
        if (free === undefined || what === "release") continue;
        if (what === "hold") {
          table.hold(free, owner, nowMs + 500);
          holds.set(owner, { ip: free, untilMs: nowMs + 500 });
          continue;
        }
        holds.delete(owner);
        for (const [holder, hold] of holds) if (hold.ip === free) holds.delete(holder);
        const state = what === "take" ? "bound" : "declined";
        const client = `mac:${owner}`;
        table.set({ ip: free, client, mac: owner, state, startedAtMs: nowMs, expiresAtMs: nowMs + 2000 });
      }
    }),
  );
});

type Holds = ReadonlyMap<Mac, { ip: Ipv4; untilMs: number }>;

function checkChoice(table: LeaseTable, holds: Holds, chosen: Ipv4 | undefined, nowMs: number): void {
  const free: Ipv4[] = [];
  for (let at = ipv4ToNumber(pool.from); at <= ipv4ToNumber(pool.to); at += 1) {
    const address = ipv4FromNumber(at);
    if (table.holder(address, nowMs) === undefined) free.push(address);
  }
  if (chosen === undefined) {
    assert.deepEqual(free, []);
    return;
  }
  assert.ok(free.includes(chosen), `${chosen} is taken`);
  const endOf = (address: Ipv4): number => {
    const held = [...holds.values()].filter((hold) => hold.ip === address);
    return Math.max(table.get(address)?.expiresAtMs ?? 0, ...held.map((hold) => hold.untilMs));
  };
  const chosenEnd = endOf(chosen);
  assert.ok(
    free.every((address) => endOf(address) >= chosenEnd),
    `another one was free for longer than ${chosen}`,
  );
}

test("the queue gives the earliest first and forgets times that were brought forward", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(9), fc.nat(50)), { maxLength: 50 }), (entries) => {
      const queue = new AddressQueue();
      const earliest = new Map<number, number>();
      for (const [address, atMs] of entries) {
        queue.add(address, atMs);
        earliest.set(address, Math.min(earliest.get(address) ?? atMs, atMs));
      }
      const order: number[] = [];
      for (let count = 0; count < earliest.size; count += 1) {
        const first = queue.first();
        assert.ok(first);
        assert.equal(first.atMs, earliest.get(first.ip));
        order.push(first.atMs);
        queue.deferFirst(1000 + count);
      }
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      );
      assert.ok(earliest.size === 0 || (queue.first()?.atMs ?? 0) >= 1000);
    }),
  );
});

test("a pool of 60,000 in which everybody renews is searched without a scan", () => {
  const large = { from: ip("10.0.0.0"), to: ip("10.0.255.255") };
  const table = new LeaseTable([placeOf(large)]);
  let calls = 0;
  const counted = (): boolean => {
    calls += 1;
    return true;
  };
  for (let round = 0; round < 2; round += 1) {
    for (let index = 0; index < 60_000; index += 1) {
      const owner = mac(
        `52:54:00:${[16, 8, 0].map((shift) => ((index >> shift) & 255).toString(16).padStart(2, "0")).join(":")}`,
      );
      const nowMs = round * 1000;
      const address =
        round === 0 ? table.freeAddress(network, nowMs, counted) : table.poolLeaseOf(wire, owner)?.ip;
      assert.ok(address);
      table.set({
        ip: address,
        client: "",
        mac: owner,
        state: "bound",
        startedAtMs: 0,
        expiresAtMs: nowMs + 9000,
      });
    }
  }
  assert.equal(calls, 60_000);
});
