import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { readRequest } from "../../../server/dhcp/client.ts";
import { decode } from "../../../server/dhcp/decode.ts";
import { encode } from "../../../server/dhcp/encode.ts";
import { option, type OptionRow, readOption } from "../../../server/dhcp/option-table.ts";
import { printPacket } from "../../../server/dhcp/print.ts";
import { DecodeError } from "../../../server/lib/errors.ts";
import { goldenPacket, nodeOf, Scene } from "../../support/dhcp-scene.ts";
import type { FuzzTarget } from "../fuzzer.ts";

const goldenDirectory = new URL("../../unit/dhcp/golden/", import.meta.url);
const packets = readdirSync(goldenDirectory)
  .filter((file) => file.endsWith(".hex"))
  .map((file) => new Uint8Array(goldenPacket(file.replace(".hex", ""))));
const text = (value: string): Uint8Array => Buffer.from(value, "latin1");
const words = [
  Uint8Array.of(0x63, 0x82, 0x53, 0x63),
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((type) => Uint8Array.of(53, 1, type)),
  ...[1, 2, 3].map((overload) => Uint8Array.of(52, 1, overload)),
  ...[43, 50, 54, 55, 57, 60, 61, 77, 82, 93, 94, 97, 118, 121, 175].map((code) => Uint8Array.of(code, 4)),
  Uint8Array.of(82, 6, 5, 4, 10, 77, 0, 0),
  Uint8Array.of(10, 77, 0, 1),
  Uint8Array.of(10, 77, 0, 200),
  text("PXEClient:Arch:00007:UNDI:003016"),
  text("HTTPClient"),
  text("iPXE"),
];

/** Whatever a packet says, reading it ends in a message or a DecodeError; what was read is written as it was. */
export const dhcpCodec: FuzzTarget = {
  name: "dhcp-codec",
  seeds: packets,
  words,
  longest: 1500,
  rooms: ["/server/dhcp/", "/server/lib/"],
  run: (bytes) => {
    const packet = decoded(() => decode(bytes));
    if (packet === undefined) return;
    decoded(() => readRequest(packet));
    printPacket(packet);
    const { bytes: written, dropped } = encode(packet);
    const again = decode(written);
    if (dropped.length === 0) assert.deepEqual(new Set(again.options.keys()), new Set(packet.options.keys()));
    for (const [code, value] of again.options)
      assert.deepEqual(Buffer.from(value), Buffer.from(packet.options.get(code) ?? []));
    assert.deepEqual(
      { ...again, options: undefined, chaddr: Buffer.from(again.chaddr) },
      { ...packet, options: undefined, chaddr: Buffer.from(packet.chaddr) },
    );
  },
};

const rows: readonly OptionRow<unknown>[] = Object.values(option);

/** The first byte chooses an option, the rest is its value. */
export const dhcpOptions: FuzzTarget = {
  name: "dhcp-options",
  seeds: rows.map((_row, at) => Uint8Array.of(at, 10, 77, 0, 1)),
  words,
  longest: 300,
  rooms: ["/server/dhcp/option"],
  run: (bytes) => {
    const row = rows[(bytes[0] ?? 0) % rows.length];
    assert.ok(row);
    const value = decoded(() => readOption(new Map([[row.code, bytes.subarray(1)]]), row));
    if (value === undefined) return;
    assert.equal(typeof row.value.print(value), "string");
    // What was understood once is understood again: a value does not change by being passed on.
    const passedOn = readOption(new Map([[row.code, row.value.encode(value)]]), row);
    assert.deepEqual(row.value.print(passedOn), row.value.print(value));
  },
};

/** A small rack, made anew now and then, that hostile packets are sent to. */
export const dhcpDecisions: FuzzTarget = (() => {
  let scene = new Scene();
  let sent = 0;
  return {
    name: "dhcp-decisions",
    seeds: packets,
    words,
    longest: 1500,
    rooms: ["/server/dhcp/"],
    run: (bytes) => {
      sent += 1;
      if (sent % 4096 === 1) {
        scene = new Scene();
        scene.nodes.push(nodeOf("n001", "10.77.0.11", ["52:54:00:12:34:56"]));
      }
      scene.nowMs += 250;
      const request = decoded(() => {
        const reading = readRequest(decode(bytes));
        return reading.kind === "request" ? bytes : undefined;
      });
      if (request === undefined) return;
      const outcome = scene.send(request);
      if (outcome.kind !== "reply") return;
      assert.ok(outcome.wire, "a reply that can be read");
      assert.equal(outcome.wire.op, 2);
      if (outcome.type === "NAK") assert.equal(outcome.wire.yiaddr, "0.0.0.0");
    },
  };
})();

function decoded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
