import assert from "node:assert/strict";
import { test } from "node:test";
import { admissionFor, beginsExchange, type Load } from "../../../server/dhcp/admission.ts";
import { encode } from "../../../server/dhcp/encode.ts";
import { ask, goldenPacket, select } from "../../support/dhcp-scene.ts";

const idle: Load = { queuedBytes: 0, queueBytes: 8_000_000, commitsBehind: false, commitsFull: false };

test("everything is taken on until half of the receive buffer waits, or the disk is behind", () => {
  assert.equal(admissionFor(idle), "all");
  assert.equal(admissionFor({ ...idle, queuedBytes: 4_000_000 }), "all");
  assert.equal(admissionFor({ ...idle, queuedBytes: 4_000_001 }), "finish");
  assert.equal(admissionFor({ ...idle, commitsBehind: true }), "finish");
  assert.equal(admissionFor({ ...idle, commitsBehind: true, commitsFull: true }), "none");
});

test("a DISCOVER is known unread, and nothing else is taken for one, however short", () => {
  const anna = { mac: "52:54:00:00:00:0a" };
  assert.equal(beginsExchange(encode(ask("DISCOVER", anna)).bytes), true);
  for (const name of ["edk2-x64-pxe-discover", "ipxe-bios-discover", "networkd-discover"]) {
    assert.equal(beginsExchange(goldenPacket(name)), true, name);
  }
  for (const packet of [select(anna, "10.77.0.200"), ask("RELEASE", anna), ask("INFORM", anna)]) {
    assert.equal(beginsExchange(encode(packet).bytes), false);
  }
  for (let length = 0; length < 242; length += 1) assert.equal(beginsExchange(new Uint8Array(length)), false);
});
