import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSubnet } from "../../../server/lib/ipv4.ts";
import type { Network } from "../../../server/model/network.ts";
import { selectNodes, selectPorts } from "../../../server/simulate/selection.ts";

function network(subnet: string, wire: string): Network {
  const parsed = parseSubnet(subnet);
  assert.ok(parsed !== undefined);
  return { subnet: parsed, wire, pools: [], dns: [], domain: "x.lan", leaseSeconds: 3600, options: [] };
}

const networks = [
  network("10.0.1.0/24", "a"),
  network("10.0.2.0/24", "b"),
  network("10.0.3.0/24", "a"),
] as const;

const node = (name: string, ip: string, ...macs: string[]) => ({ name, ip, macs });

test("nodes of the head's own wire take the kinds of firmware in turn; those behind a relay are named", () => {
  const { machines, notes } = selectNodes(
    [
      node("n1", "10.0.1.11", "52:54:00:00:00:01", "52:54:00:00:01:01"),
      node("n2", "10.0.2.11", "52:54:00:00:00:02"),
      node("n3", "10.0.3.11", "52:54:00:00:00:03"),
    ],
    ["bios", "uefi"],
    [...networks],
  );
  assert.deepEqual(machines, [
    { name: "n1", mac: "52:54:00:00:00:01", firmware: "bios" },
    { name: "n3", mac: "52:54:00:00:00:03", firmware: "uefi" },
  ]);
  assert.deepEqual(notes, ["n2 left out: behind a relay agent, which is not simulated"]);
});

test("what cannot be walked is refused with its name and what to do", () => {
  assert.throws(() => selectNodes([node("n1", "10.0.1.11")], ["bios"], [...networks]), {
    code: "invalid",
    hint: "provision set-node n1 --mac …",
  });
  assert.throws(
    () => selectNodes([node("n2", "10.0.2.11", "52:54:00:00:00:02")], ["bios"], [...networks]),
    /n2 is behind a relay agent/,
  );
});

test("ports are called by their MACs", () => {
  assert.deepEqual(selectPorts(["52:54:00:00:00:09"], ["http"]).machines, [
    { name: "52:54:00:00:00:09", mac: "52:54:00:00:00:09", firmware: "http" },
  ]);
});
