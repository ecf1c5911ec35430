import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readRequest6 } from "../../../server/dhcp6/client.ts";
import { decode6, decodeOptions6, encode6, encodeOptions6 } from "../../../server/dhcp6/codec.ts";
import {
  readAssociation,
  readDuid,
  readUserClasses,
  readVendorClasses,
} from "../../../server/dhcp6/option-values.ts";
import { messageTypes, type Option6, type Packet6 } from "../../../server/dhcp6/packet.ts";
import { throughRelays } from "../../../server/dhcp6/relay.ts";
import { decodeSolicitation, encodeAdvertisement } from "../../../server/dhcp6/router-discovery.ts";
import { DecodeError } from "../../../server/lib/errors.ts";
import { type Ipv6, ipv6FromBytes, parseIpv6Prefix } from "../../../server/lib/ipv6.ts";
import type { Mac } from "../../../server/lib/mac.ts";
import { message6, solicit } from "./scene.ts";

const option = fc.record({ code: fc.nat(0xffff), value: fc.uint8Array({ maxLength: 40 }) });
const options = fc.array(option, { maxLength: 8 });
const ip = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipv6FromBytes);
const direct = fc.record({
  type: fc.constantFrom(...(["SOLICIT", "REQUEST", "RENEW", "REPLY", "INFORMATION-REQUEST"] as const)),
  transactionId: fc.nat(0xffffff),
  options,
});
const relayed = fc.record({
  type: fc.constantFrom(...(["RELAY-FORW", "RELAY-REPL"] as const)),
  hops: fc.nat(255),
  link: ip,
  peer: ip,
  options,
});
const plain = (packet: Packet6): unknown => ({
  ...packet,
  options: packet.options.map(({ code, value }) => [code, Buffer.from(value).toString("hex")]),
});

test("what is written is read back, whatever the options", () => {
  fc.assert(
    fc.property(fc.oneof(direct, relayed), (packet) => {
      assert.deepEqual(plain(decode6(encode6(packet))), plain(packet));
    }),
  );
});

test("any bytes are a message or a DecodeError, all the way to who asks for what", () => {
  const seeds = [encode6(solicit()), encode6(throughRelays(solicit(), [relayOf("fd77::5")]))];
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }),
      fc.nat(400),
      (seed, changes, length) => {
        const bytes = seed.slice(0, Math.max(1, seed.length - (length % 40)));
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        onlyDecodeError(() => readRequest6(decode6(bytes), "fe80::1" as Ipv6));
      },
    ),
    { numRuns: 2000 },
  );
});

test("every truncation of a SOLICIT is refused or read as a shorter one", () => {
  const bytes = encode6(solicit());
  for (let length = 0; length < bytes.length; length += 1) {
    onlyDecodeError(() => readRequest6(decode6(bytes.subarray(0, length)), "fe80::1" as Ipv6));
  }
});

test("hostile option values end in DecodeError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (const read of [
        readAssociation,
        readDuid,
        readUserClasses,
        readVendorClasses,
        decodeOptions6,
        decodeSolicitation,
      ]) {
        onlyDecodeError(() => read(bytes));
      }
    }),
    { numRuns: 2000 },
  );
});

test("a message comes out of its relays and the answer goes back through them in turn", () => {
  const inner = solicit();
  const near: Option6 = { code: 18, value: Uint8Array.of(1, 2) };
  const first = { ...relayOf("fd77::5"), options: [{ code: 9, value: encode6(inner) }, near] };
  const second = { ...relayOf("::"), hops: 1, options: [{ code: 9, value: encode6(first) }] };
  const request = readRequest6(second, "fe80::9" as Ipv6);
  assert.deepEqual(
    request.relays.map(({ hops }) => hops),
    [1, 0],
  );
  assert.equal(request.message.type, "SOLICIT");
  const back = throughRelays(message6("REPLY", []), request.relays);
  assert.equal(back.type, "RELAY-REPL");
  const inside = decode6(back.options.find(({ code }) => code === 9)?.value ?? new Uint8Array());
  assert.equal(inside.type, "RELAY-REPL");
  assert.deepEqual(
    inside.options.filter(({ code }) => code === 18).map(({ value }) => [...value]),
    [[1, 2]],
  );
  assert.equal(
    decode6(inside.options.find(({ code }) => code === 9)?.value ?? new Uint8Array()).type,
    "REPLY",
  );
});

test("more relays than the RFC allows are refused", () => {
  let packet: Packet6 = solicit();
  for (let hops = 0; hops < 9; hops += 1) {
    packet = { ...relayOf("::"), hops, options: [{ code: 9, value: encode6(packet) }] };
  }
  assert.throws(() => readRequest6(packet, "fe80::1" as Ipv6), DecodeError);
});

test("an advertisement as RFC 4861 draws it", () => {
  const bytes = encodeAdvertisement({
    mac: "52:54:00:12:34:56" as Mac,
    prefix: parseIpv6Prefix("fd77::/64"),
  });
  assert.equal(
    Buffer.from(bytes).toString("hex"),
    "8600000040c000000000000000000000" + // type, code, checksum, 64 hops, M and O, lifetime 0, two timers
      "0101525400123456" + // source link-layer address
      "030440" +
      "80" +
      "ffffffff" +
      "ffffffff" +
      "00000000" +
      "fd770000000000000000000000000000", // prefix, on-link only
  );
  const empty = encodeAdvertisement({ mac: "52:54:00:12:34:56" as Mac, prefix: undefined });
  assert.equal(Buffer.from(empty).toString("hex"), "860000004000000000000000000000000101525400123456");
});

test("message types have their numbers of RFC 8415", () => {
  assert.equal(encode6(message6("INFORMATION-REQUEST", []))[0], 11);
  assert.equal(messageTypes.REPLY, 7);
  assert.equal(encodeOptions6([{ code: 59, value: Uint8Array.of(65) }]).join(), "0,59,0,1,65");
});

function relayOf(link: string) {
  return { type: "RELAY-FORW" as const, hops: 0, link: link as Ipv6, peer: "fe80::1" as Ipv6, options: [] };
}

function onlyDecodeError(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}
