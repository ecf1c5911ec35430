import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LiveDirectory } from "../../../server/inventory/live-directory.ts";
import { naturalOrder } from "../../../server/model/natural-order.ts";
import type { ClusterNode } from "../../../server/model/node.ts";

const change = fc.record({
  saved: fc.uniqueArray(
    fc.record({
      id: fc.integer({ min: 1, max: 12 }),
      name: fc.constantFrom("n1", "n2", "n10", "n010", "a-1"),
    }),
    { selector: ({ id }) => id, maxLength: 8 },
  ),
  removed: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
});

/** A name of its own for each, or the inventory would not have let it in. */
function node(id: number, name: string): ClusterNode {
  return {
    id,
    name: `${name}x${id}`,
    macs: [`52:54:00:00:00:${id.toString(16).padStart(2, "0")}` as never],
    ip: `10.0.1.${id}` as never,
    groups: [],
    kernelArguments: [],
    machineId: "",
    sshPublicKey: "",
    addedAtMs: 0,
  };
}

test("after any changes the nodes are sorted as if all had been sorted anew, and every look-up finds its node", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const directory = new LiveDirectory();
      const naive = new Map<number, ClusterNode>();
      for (const { saved, removed } of changes) {
        const nodes = saved.map(({ id, name }) => node(id, name));
        const gone = removed.filter((id) => !saved.some((each) => each.id === id));
        directory.apply(nodes, gone);
        for (const id of gone) naive.delete(id);
        for (const each of nodes) naive.set(each.id, each);
        const expected = [...naive.values()].sort((a, b) => naturalOrder(a.name, b.name));
        assert.deepEqual(
          directory.nodes().map(({ name }) => name),
          expected.map(({ name }) => name),
        );
        assert.equal(directory.count(), naive.size);
        for (const each of naive.values()) {
          assert.equal(directory.byName(each.name), each);
          assert.equal(directory.byIp(each.ip), each);
          assert.equal(directory.byMac(each.macs[0] as never), each);
          assert.equal(directory.byId(each.id), each);
        }
      }
    }),
  );
});
