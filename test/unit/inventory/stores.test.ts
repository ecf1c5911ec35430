import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { BootStore } from "../../../server/inventory/boot-store.ts";
import { openDatabase } from "../../../server/inventory/database.ts";
import { LeaseStore } from "../../../server/inventory/lease-store.ts";
import { NodeStore } from "../../../server/inventory/node-store.ts";
import { SecretStore } from "../../../server/inventory/secret-store.ts";
import { loaderKinds } from "../../../server/model/arch.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import type { BootEvent } from "../../../server/model/boot-event.ts";
import type { Lease } from "../../../server/model/node.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

/** What a store has saved, another one on the same file loads again. */
async function reopened<Store>(
  t: TestContext,
  make: (database: Awaited<ReturnType<typeof openDatabase>>) => Store,
  first: (store: Store) => Promise<void>,
  then: (store: Store) => Promise<void>,
): Promise<void> {
  const state = temporaryDirectory(t);
  for (const use of [first, then]) {
    const database = await openDatabase(state);
    await use(make(database));
    await database.close();
  }
}

const text = fc.string({ unit: "grapheme", maxLength: 30 });
const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const mac = fc
  .integer({ min: 0, max: 0xffff })
  .map(
    (n) =>
      `52:54:00:00:${(n >> 8).toString(16).padStart(2, "0")}:${(n & 255).toString(16).padStart(2, "0")}` as Mac,
  );
const ip = fc.integer({ min: 0, max: 0xffff }).map((n) => `10.0.${n >> 8}.${n & 255}` as Ipv4);
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

type Bare<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>;
};

/** Without the keys that are undefined: as it comes out of a store. */
function bare<T extends object>(value: T): Bare<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Bare<T>;
}

const few = { numRuns: 25 };

test("more leases than are read at once, each of them once", async (t) => {
  const leases: Lease[] = Array.from({ length: 10_001 }, (_, index) => ({
    ip: `10.${index >> 8}.${index & 255}.1` as Ipv4,
    client: `mac:${index}`,
    mac: "52:54:00:00:00:01" as Mac,
    state: "bound",
    startedAtMs: 1,
    expiresAtMs: index,
  }));
  await reopened(
    t,
    (database) => new LeaseStore(database),
    (store) => store.saveLeases(leases),
    async (store) => {
      const loaded = await store.loadLeases();
      assert.deepEqual(
        loaded.sort((one, other) => one.expiresAtMs - other.expiresAtMs),
        leases,
      );
    },
  );
});

test("leases", async (t) => {
  const lease = fc.record({
    ip,
    client: text,
    mac,
    hostname: optional(text),
    state: fc.constantFrom("bound", "released", "declined"),
    startedAtMs: time,
    expiresAtMs: time,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(lease, { maxLength: 20 }), { maxLength: 5 }), async (batches) => {
      const expected = new Map(batches.flat().map((each) => [each.ip, bare(each)]));
      await reopened(
        t,
        (database) => new LeaseStore(database),
        async (store) => {
          for (const batch of batches) await store.saveLeases(batch as Lease[]);
        },
        async (store) => {
          const loaded = await store.loadLeases();
          assert.deepEqual(new Map(loaded.map((each) => [each.ip, each])), expected);
        },
      );
    }),
    few,
  );
});

const name = fc.integer({ min: 1, max: 99 }).map((n) => `n${n}`);
const settings = {
  image: optional(text),
  loader: optional(fc.constantFrom(...loaderKinds)),
  groups: fc.uniqueArray(fc.constantFrom("compute", "gpu", "login"), { maxLength: 3 }),
  kernelArguments: fc.array(text, { maxLength: 3 }),
};

test("nodes and groups, added, changed and removed", async (t) => {
  const node = fc.record({
    name,
    macs: fc.uniqueArray(mac, { maxLength: 3 }),
    machineId: text,
    sshHostKey: fc.record({ privateKey: text, publicKey: text }),
    addedAtMs: time,
    ...settings,
  });
  const change = fc.record({ ...settings, macs: fc.uniqueArray(mac, { maxLength: 3 }) });
  const nodes = fc.uniqueArray(node, { selector: (each) => each.name, maxLength: 12 });
  const groups = fc.constant(["gpu", "login"].map((each) => ({ name: each, kernelArguments: ["a b"] })));
  await fc.assert(
    fc.asyncProperty(nodes, fc.array(change, { maxLength: 12 }), groups, async (given, changes, wanted) => {
      const taken = new Set<string>();
      const own = (macs: readonly Mac[]): Mac[] => macs.filter((each) => !taken.has(each) && taken.add(each));
      const added = given.map((each, index) =>
        bare({ ...each, macs: own(each.macs), ip: `10.1.0.${index}` as Ipv4 }),
      );
      let expected: object[] = [];
      await reopened(
        t,
        (database) => new NodeStore(database),
        async (store) => {
          const stored = await store.apply({ savedGroups: wanted, added });
          const updated = stored.slice(0, changes.length).map((before, index) => {
            const { image, loader, ...rest } = changes[index] ?? assert.fail();
            const after = { ...before, ...rest, macs: own(rest.macs), ip: `10.2.0.${index}` as Ipv4 };
            return { before, after: { ...after, ...bare({ image, loader }) } };
          });
          await store.apply({ updated });
          const removed = stored.slice(-1).map((each) => each.id);
          await store.apply({ removedIds: removed });
          expected = [...updated.map((pair) => pair.after), ...stored.slice(changes.length)].filter(
            (each) => !removed.includes(each.id),
          );
        },
        async (store) => {
          const loaded = await store.load();
          const byId = (a: { id: number }, b: { id: number }): number => a.id - b.id;
          assert.deepEqual(loaded.nodes.toSorted(byId), (expected as { id: number }[]).toSorted(byId));
          for (const each of loaded.nodes) {
            const key = added.find((one) => one.name === each.name)?.sshHostKey;
            assert.deepEqual(await store.sshHostKey(each.id), { ...key });
          }
        },
      );
    }),
    few,
  );
});

test("boot tokens and credentials, and the head's key", async (t) => {
  const secret = fc.record({
    nodeId: fc.integer({ min: 1, max: 3 }),
    bootNonce: text,
    spentOn: optional(text),
    credentialDigest: optional(text),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(secret, { maxLength: 10 }), async (secrets) => {
      const state = temporaryDirectory(t);
      const database = await openDatabase(state);
      const added = [1, 2, 3].map((n) => ({
        name: `n${n}`,
        macs: [],
        ip: `10.0.0.${n}` as Ipv4,
        groups: [],
        kernelArguments: [],
        machineId: "",
        sshHostKey: { privateKey: "", publicKey: "" },
        addedAtMs: 0,
      }));
      await new NodeStore(database).apply({ added });
      const store = new SecretStore(database);
      for (const each of secrets) await store.save([bare(each)]);
      assert.equal(await store.headKey(() => "first"), "first");
      await database.close();
      const again = await openDatabase(state);
      const loaded = await new SecretStore(again).load();
      assert.deepEqual(
        new Map(loaded.map((each) => [each.nodeId, each])),
        new Map(secrets.map((each) => [each.nodeId, bare(each)])),
      );
      assert.equal(await new SecretStore(again).headKey(() => "second"), "first");
      await again.close();
    }),
    few,
  );
});

test("events, states, hardware and strangers", async (t) => {
  const event = fc.record({
    mac,
    atMs: time,
    kind: fc.constantFrom("offered", "kernel", "refused"),
    message: text,
    bytes: fc.integer(),
    nodeId: optional(fc.integer({ min: 1, max: 3 })),
  });
  const standing = fc.record({
    phase: fc.constantFrom("new" as const, "up" as const, "lost" as const),
    phaseSinceMs: time,
    lastHeartbeatMs: optional(time),
  });
  const stranger = fc.record({
    mac,
    firstSeenMs: time,
    lastSeenMs: time,
    firmware: optional(text),
    vendorClass: optional(text),
    ip: optional(ip),
  });
  const strangers = fc.uniqueArray(stranger, { selector: (each) => each.mac, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 20 }),
      standing,
      strangers,
      async (events, state, seen) => {
        const boot = { id: 7, mac: "52:54:00:00:00:01" as Mac, nodeId: 1, startedAtMs: 5 };
        const recorded = events.map((each, index) => ({
          sequence: index + 1,
          bootId: boot.id,
          nodeId: 1,
          event: bare(each) as unknown as BootEvent,
          begun: index === 0 ? boot : undefined,
        }));
        const hardware = { kernel: "6", nics: [] } as never;
        await reopened(
          t,
          (database) => ({
            boots: new BootStore(database, { bootsKept: () => 20 }),
            nodes: new NodeStore(database),
          }),
          async ({ boots, nodes }) => {
            const added = { name: "n1", macs: [], ip: "10.0.0.1" as Ipv4, groups: [], kernelArguments: [] };
            const keys = { machineId: "", sshHostKey: { privateKey: "", publicKey: "" }, addedAtMs: 0 };
            await nodes.apply({ added: [{ ...added, ...keys }] });
            await boots.save({
              events: recorded,
              states: [
                { nodeId: 1, bootId: 7, ...state },
                { nodeId: 99, ...state },
              ],
              hardware: [
                [1, hardware],
                [99, hardware],
              ],
              discovered: seen.map(bare),
              forgotten: [],
            });
          },
          async ({ boots }) => {
            const loaded = await boots.load();
            assert.deepEqual(loaded.states, [{ state: { nodeId: 1, bootId: 7, ...state }, boot }]);
            assert.deepEqual(
              new Set(loaded.discovered.map(({ machine }) => machine)),
              new Set(seen.map(bare)),
            );
            assert.deepEqual([loaded.lastBootId, loaded.lastSequence], [7, events.length]);
            assert.deepEqual(
              await boots.eventsOfBoot(7),
              recorded.map(({ sequence, bootId, nodeId, event: each }) => ({
                sequence,
                bootId,
                nodeId,
                event: each,
              })),
            );
            assert.deepEqual(await boots.hardwareOf([1, 99]), new Map([[1, hardware]]));
          },
        );
      },
    ),
    few,
  );
});
