import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressFor } from "../../../server/dhcp6/addresses.ts";
import { answerSolicitation } from "../../../server/dhcp6/router-discovery.ts";
import { type Message6, optionCodes } from "../../../server/dhcp6/packet.ts";
import { ipv6ToBytes, type Ipv6, parseIpv6Prefix, prefixOf } from "../../../server/lib/ipv6.ts";
import { macFromBytes, type Mac } from "../../../server/lib/mac.ts";
import { directoryOf, nodeOf } from "../../support/dhcp-scene.ts";
import {
  association,
  bootUrl,
  brief6,
  clientMac,
  firmware,
  fromClient,
  granted,
  ipxe,
  message6,
  replyOption,
  Scene6,
  solicit,
  toHead,
} from "./scene.ts";

const own = "fd77::1:5254:12:3456" as Ipv6;
const known = (): Scene6 => {
  const scene = new Scene6();
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [clientMac]));
  return scene;
};
const ask = (type: Message6["type"], ip: string): Message6 =>
  message6(type, [
    fromClient,
    ...(type === "REBIND" || type === "CONFIRM" ? [] : [toHead]),
    association(1, [ipv6ToBytes(ip as Ipv6)]),
  ]);

test("each node is told of the loader that is its own", () => {
  const scene = new Scene6({ loaderFor: (node) => (node === undefined ? "ipxe" : "grub") });
  const url = (): string => bootUrl(scene.send(solicit(...firmware("HTTP", 16)))) ?? "";
  assert.match(url(), /\/loader\/snponly\.efi$/);
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [clientMac]));
  assert.match(url(), /\/loader\/grubhttpx64\.efi$/);
});

test("a machine joins, renews, rebinds and leaves, with one address all along", () => {
  const scene = known();
  const address = granted(scene.send(solicit()));
  assert.equal(address, own);
  assert.equal(brief6(scene.send(solicit())), `ADVERTISE ${address}`);
  for (const type of ["REQUEST", "RENEW", "REBIND"] as const) {
    assert.equal(brief6(scene.send(ask(type, address ?? ""))), `REPLY ${address}`);
  }
  assert.equal(brief6(scene.send(ask("CONFIRM", address ?? ""))), "REPLY");
  assert.equal(brief6(scene.send(ask("RELEASE", address ?? ""))), "REPLY");
});

test("firmware is told a loader by its own protocol, iPXE the script, a system nothing", () => {
  const scene = known();
  assert.equal(
    bootUrl(scene.send(solicit(...firmware("PXE")))),
    "tftp://[fd77::1]/boot/52-54-00-12-34-56/loader/snponly.efi",
  );
  const http = scene.send(solicit(...firmware("HTTP", 16)));
  assert.equal(bootUrl(http), "http://[fd77::1]:8080/boot/52-54-00-12-34-56/loader/snponly.efi");
  const vendorClass = Buffer.from(replyOption(http, optionCodes.vendorClass) ?? []);
  assert.equal(vendorClass.readUInt32BE(0), 343);
  assert.equal(vendorClass.subarray(6).toString(), "HTTPClient");
  assert.equal(
    bootUrl(scene.send(solicit(...firmware("PXE"), ipxe))),
    "http://[fd77::1]:8080/boot/52-54-00-12-34-56/script.ipxe",
  );
  assert.equal(bootUrl(scene.send(solicit())), undefined);
});

test("an offer is an event of the machine, with what it was told", () => {
  const decision = known().send(solicit(...firmware("PXE")));
  assert.equal(decision.kind, "reply");
  const [event] = decision.kind === "reply" ? decision.events : [];
  assert.equal(event?.kind, "offered");
  assert.equal(event?.mac, clientMac);
  assert.equal(event?.kind === "offered" && event.firmware, "uefi-x64");
});

test("unknown machines wait, are given an address only, or hear nothing", () => {
  assert.match(bootUrl(new Scene6().send(solicit(...firmware("PXE")))) ?? "", /snponly/);
  const address = new Scene6({ unknownMachines: "address" }).send(solicit(...firmware("PXE")));
  assert.equal(bootUrl(address), undefined);
  assert.notEqual(granted(address), undefined);
  assert.equal(brief6(new Scene6({ unknownMachines: "ignore" }).send(solicit())), "ignore unknown-machine");
});

test("messages that are not for us, or lack what they need, are not answered", () => {
  const scene = known();
  const foreign = { code: optionCodes.serverId, value: Uint8Array.of(0, 3, 0, 1, 9, 9, 9, 9, 9, 9) };
  assert.equal(
    brief6(scene.send(message6("REQUEST", [fromClient, foreign, association(1)]))),
    "ignore other-server",
  );
  assert.equal(brief6(scene.send(message6("REQUEST", [fromClient, association(1)]))), "ignore other-server");
  assert.equal(brief6(scene.send(message6("SOLICIT", [fromClient, toHead]))), "ignore server-id");
  assert.equal(brief6(scene.send(message6("SOLICIT", [association(1)]))), "ignore no-client-id");
  assert.equal(brief6(scene.send(message6("REPLY", [fromClient]))), "ignore server-message");
  assert.equal(brief6(scene.send(message6("INFORMATION-REQUEST", []))), "REPLY");
});

test("an address that is in use is reported, rests for an hour, and another is given", () => {
  const scene = known();
  const first = granted(scene.send(solicit()));
  const decline = scene.send(ask("DECLINE", first ?? ""));
  assert.equal(decline.kind === "reply" && decline.events[0]?.kind, "refused");
  const second = granted(scene.send(solicit()));
  assert.notEqual(second, undefined);
  assert.notEqual(second, first);
  scene.nowMs += 3_600_001;
  assert.equal(granted(scene.send(solicit())), first);
});

test("nobody declines another's address", () => {
  const scene = known();
  const decision = scene.send(ask("DECLINE", "fd77::1:5254:12:9999"));
  assert.deepEqual(decision.kind === "reply" && decision.declined, []);
});

test("an address of another link is not confirmed", () => {
  const status = (ip: string): number | undefined =>
    replyOption(known().send(ask("CONFIRM", ip)), optionCodes.status)?.[1];
  assert.equal(status(own), 0);
  assert.equal(status("2001:db8::5"), 4);
});

test("a second association of one port gets none", () => {
  const scene = known();
  const decision = scene.send(message6("SOLICIT", [fromClient, association(1), association(2)]));
  assert.equal(decision.kind, "reply");
  const associations =
    decision.kind === "reply" ? decision.message.options.filter(({ code }) => code === 3) : [];
  assert.equal(associations.length, 2);
  assert.equal(Buffer.from(associations[1]?.value ?? []).readUInt16BE(12), optionCodes.status);
});

test("no two ports ever have one address, and each has the network's", () => {
  const prefix = parseIpv6Prefix("fd77::/64");
  assert.ok(prefix);
  const mac = fc
    .uint8Array({ minLength: 6, maxLength: 6 })
    .map((bytes) => macFromBytes(bytes.with(0, (bytes[0] ?? 0) & 0xfe).with(5, 7)) ?? clientMac);
  const choose = (address: Mac, taken: number): Ipv6 | undefined => {
    let asked = 0;
    return addressFor(prefix, { mac: address, duid: new Uint8Array() }, () => asked++ >= taken);
  };
  fc.assert(
    fc.property(mac, mac, fc.nat(3), fc.nat(3), (one, other, first, second) => {
      const [a, b] = [choose(one, first), choose(other, second)];
      assert.equal(prefixOf(a ?? ("::" as Ipv6)).base, prefix.base);
      assert.equal(a === b, one === other && first === second);
    }),
  );
});

test("who looks for a router: everybody on a wire of ours; else our own nodes, and they alone", () => {
  const node = nodeOf("n001", "10.77.0.11", [clientMac]);
  const base = { directory: directoryOf([node]), mac: "02:00:00:00:00:01" as Mac };
  const link = "fe80::5054:ff:fe12:3456" as Ipv6;
  const stranger = "fe80::5054:ff:fe99:9999" as Ipv6;
  const prefix = parseIpv6Prefix("fd77::/64");
  assert.equal(answerSolicitation("::" as Ipv6, undefined, { ...base, prefix })?.to, "ff02::1");
  assert.equal(answerSolicitation(stranger, undefined, { ...base, prefix })?.to, stranger);
  assert.equal(answerSolicitation(link, undefined, { ...base, prefix: undefined })?.to, link);
  assert.equal(answerSolicitation(stranger, undefined, { ...base, prefix: undefined }), undefined);
  assert.equal(answerSolicitation("::" as Ipv6, clientMac, { ...base, prefix: undefined }), undefined);
});
