import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  clientIdText,
  nextRelayPort,
  parseClientId,
  parseRelayPort,
  parseUuid,
  duidOfClientId,
  isSameUuid,
  type ClientId,
  type Uuid,
  uuidTheOtherWayRound,
  relayPortOf,
  relayPortText,
} from "../../../server/model/machine-identity.ts";

test("a UUID is read with and without hyphens, in either case; what names no machine is none", () => {
  const uuid = "4c4c4544-0042-3510-8054-b7c04f4e3732";
  assert.equal(parseUuid("4C4C4544-0042-3510-8054-B7C04F4E3732"), uuid);
  assert.equal(parseUuid(uuid.replaceAll("-", "")), uuid);
  for (const none of ["", "4c4c4544", `${uuid}0`, "0".repeat(32), "f".repeat(32), uuid.replace("4", "g")]) {
    assert.equal(parseUuid(none), undefined, none);
  }
});

test("a client identifier is read as bytes or as text", () => {
  assert.equal(parseClientId("01:52:54:00:AA:00:01"), "01525400aa0001");
  assert.equal(parseClientId("hex:ff00"), "ff00");
  assert.equal(parseClientId("text:rack1"), "7261636b31");
  for (const none of ["", "0", "01", "hex:", "rack1", "text:", "01:5"]) {
    assert.equal(parseClientId(none), undefined, none);
  }
});

test("a switch port is read as switches and people write it", () => {
  assert.equal(parseRelayPort("sw1/ge-0/0/1"), "737731/67652d302f302f31", "the first slash parts the two");
  assert.equal(parseRelayPort("00:1B:21:aa:00:01/eth7"), "001b21aa0001/65746837", "a MAC means its bytes");
  assert.equal(parseRelayPort("hex:0006001b21aa0001/hex:000400010007"), "0006001b21aa0001/000400010007");
  for (const none of ["", "sw1", "/eth7", "sw1/", "hex:0/eth7", "sw\u00e4/eth7"]) {
    assert.equal(parseRelayPort(none), undefined, none);
  }
});

test("ports count up by their last number, and not past what a port can be", () => {
  const next = (text: string, step: number): string | undefined => {
    const port = parseRelayPort(text);
    assert.ok(port);
    const counted = nextRelayPort(port, step);
    return counted === undefined ? undefined : relayPortText(counted);
  };
  assert.equal(next("sw1/ge-0/0/1", 0), "sw1/ge-0/0/1");
  assert.equal(next("sw1/ge-0/0/9", 5), "sw1/ge-0/0/14");
  assert.equal(next("sw1/port01.0", 1), "sw1/port01.1");
  assert.equal(next("sw1/Gi1/0/08 of rack", 2), "sw1/Gi1/0/10 of rack");
  assert.equal(next("sw1/uplink", 1), undefined, "no number to count: not the switch's own");
  assert.equal(next("sw1/uplink", 0), "sw1/uplink");
});

test("identifiers as they are shown are read back as the same", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 20 }),
    fc.string({ minLength: 1, maxLength: 20 }).map((text) => Buffer.from(text, "latin1")),
    fc
      .constantFrom("hex:00", "text:x", "52:54:00:00:00:01", "a,b", " a", "a/b")
      .map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, bytes, (remote, circuit) => {
      const port = relayPortOf(remote, circuit);
      assert.equal(parseRelayPort(relayPortText(port)), port, relayPortText(port));
      assert.ok(!relayPortText(port).includes(","), "commas part values");
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 255 }), (id) => {
      const parsed = parseClientId(Buffer.from(id).toString("hex"));
      assert.ok(parsed);
      assert.equal(parseClientId(clientIdText(parsed)), parsed);
    }),
  );
});

test("a UUID the other way round is that of EDK2's DUID, and twice round itself", () => {
  const uuid = "4c4c4544-0042-3510-8054-b7c04f4e3732" as Uuid;
  const turned = "44454c4c-4200-1035-8054-b7c04f4e3732" as Uuid;
  assert.equal(uuidTheOtherWayRound(uuid), turned);
  assert.equal(uuidTheOtherWayRound(turned), uuid);
  assert.deepEqual([isSameUuid(uuid, turned), isSameUuid(uuid, uuid)], [true, true]);
  assert.equal(isSameUuid(uuid, "4c4c4544-0042-3510-8054-b7c04f4e3733" as Uuid), false);
});

test("the DUID in a client identifier of RFC 4361, and none in any other", () => {
  assert.equal(duidOfClientId("ff12345678000400010203" as ClientId), "000400010203");
  assert.equal(duidOfClientId("01525400000001" as ClientId), undefined);
  assert.equal(duidOfClientId("ff12345678" as ClientId), undefined);
});
