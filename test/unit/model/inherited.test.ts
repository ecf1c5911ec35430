import assert from "node:assert/strict";
import { test } from "node:test";
import { inherited } from "../../../server/model/inherited.ts";
import type { Group } from "../../../server/model/node.ts";
import { nodeOf } from "../../support/dhcp-scene.ts";

const groups: Record<string, Group> = {
  silent: { name: "silent", kernelArguments: [] },
  grub: { name: "grub", loader: "grub", kernelArguments: [] },
  ipxe: { name: "ipxe", loader: "ipxe", image: "debian-12", kernelArguments: [] },
};
const directory = { group: (name: string) => groups[name] };
const node = nodeOf("n1", "10.77.0.5", []);

test("the node before its groups, the first group that sets it before the others, the site last", () => {
  const loader = (own: object) =>
    inherited("loader", { ...node, ...own }, directory, { loader: "ipxe" as const });
  assert.deepEqual(loader({}), { value: "ipxe", from: "site" });
  assert.deepEqual(loader({ groups: ["silent", "grub", "ipxe"] }), { value: "grub", from: "group grub" });
  assert.deepEqual(loader({ groups: ["ipxe", "grub"] }), { value: "ipxe", from: "group ipxe" });
  assert.deepEqual(loader({ groups: ["ipxe"], loader: "grub" }), { value: "grub", from: "node" });
});

test("each setting for itself; a machine that is no node has the site's", () => {
  const site = { image: "debian-13", loader: "grub" } as const;
  const both = { ...node, groups: ["grub", "ipxe"] };
  assert.deepEqual(inherited("image", both, directory, site), { value: "debian-12", from: "group ipxe" });
  assert.deepEqual(inherited("loader", undefined, directory, site), { value: "grub", from: "site" });
});
