import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../../server/dhcp/decode.ts";
import { option, optionOf, readOption } from "../../../server/dhcp/option-table.ts";
import type { MessageType } from "../../../server/dhcp/option-values.ts";
import { bootReply, type DhcpPacket } from "../../../server/dhcp/packet.ts";
import { macFromBytes } from "../../../server/lib/mac.ts";
import { acquire } from "../../../server/simulate/dhcp-client.ts";
import { type DhcpProfile, dhcpProfiles } from "../../../server/simulate/dhcp-profiles.ts";
import { BootFailure, type Event } from "../../../server/simulate/effects.ts";
import { goldenPacket, ip, mac } from "../../support/dhcp-scene.ts";
import { drive, failureOf } from "../../support/walk-scene.ts";

const machine = { mac: mac("52:54:00:00:04:01"), uuid: new Uint8Array(17) };

function answerTo(
  request: DhcpPacket,
  type: MessageType,
  address = "10.77.0.11",
  server = "10.77.0.1",
): Event {
  const options = new Map([
    optionOf(option.messageType, type),
    optionOf(option.serverId, ip(server)),
    optionOf(option.subnetMask, ip("255.255.255.0")),
  ]);
  return { kind: "dhcp", packet: { ...request, op: bootReply, yiaddr: ip(address), options } };
}

function hexOptions(packet: DhcpPacket): Record<string, string> {
  const entries = [...packet.options].map(([code, value]) => [code, Buffer.from(value).toString("hex")]);
  return Object.fromEntries(entries.sort(([left], [right]) => Number(left) - Number(right))) as Record<
    string,
    string
  >;
}

const goldens: readonly (readonly [string, DhcpProfile])[] = [
  ["edk2-x64-pxe", dhcpProfiles.edk2Pxe],
  ["edk2-x64-http", dhcpProfiles.edk2Http],
  ["ipxe-bios", dhcpProfiles.ipxeBios],
  ["ipxe-efi", dhcpProfiles.ipxeEfi],
  ["networkd", dhcpProfiles.networkd],
];

for (const [name, profile] of goldens) {
  test(`${profile.name} says what real firmware said when ${name} was captured`, () => {
    const [discover, request] = ["discover", "request"].map((message) =>
      decode(goldenPacket(`${name}-${message}`)),
    );
    assert.ok(discover !== undefined && request !== undefined);
    const asked = readOption(request.options, option.requestedIp) ?? "";
    const server = readOption(request.options, option.serverId) ?? "";
    const own = { mac: macFromBytes(discover.chaddr) ?? machine.mac, uuid: new Uint8Array(17) };
    const sent: DhcpPacket[] = [];
    drive(acquire(profile, own, discover.xid), (effect) => {
      if (effect.kind !== "dhcp" || effect.packet === undefined) return undefined;
      sent.push(effect.packet);
      return answerTo(effect.packet, sent.length === 1 ? "OFFER" : "ACK", asked, server);
    });
    assert.equal(sent.length, 2);
    for (const [ours, theirs] of [
      [sent[0], discover],
      [sent[1], request],
    ] as const) {
      assert.ok(ours !== undefined);
      assert.deepEqual(hexOptions(ours), hexOptions(theirs));
      assert.deepEqual(
        { ...ours, options: 0, secs: 0, chaddr: [...ours.chaddr] },
        // It has no Ethernet address of its own to be answered at.
        { ...theirs, options: 0, secs: 0, flags: 0x8000, chaddr: [...theirs.chaddr] },
      );
    }
    assert.equal(sent[0]?.secs, discover.secs);
  });
}

test("a machine that hears nothing asks four times, 4, 8, 16 and 32 s apart, and gives up in words", () => {
  const waits: number[] = [];
  const failure = failureOf(() =>
    drive(acquire(dhcpProfiles.edk2Pxe, machine, 7), (effect) => {
      if (effect.kind === "dhcp" && effect.packet !== undefined) waits.push(effect.waitMs);
      return { kind: "timeout" };
    }),
  );
  assert.deepEqual(waits, [4000, 8000, 16_000, 32_000]);
  assert.ok(failure instanceof BootFailure);
  assert.match(failure.message, /no DHCP server offered an address within 60 s/);
  assert.match(failure.hint ?? "", /is the head running/);
});

test("a lost OFFER and a lost ACK are survived, with the transaction's own number throughout", () => {
  const lost = new Set([0, 2]);
  const sent: DhcpPacket[] = [];
  const { result } = drive(acquire(dhcpProfiles.romPxe, machine, 0xabcdef01), (effect) => {
    if (effect.kind !== "dhcp" || effect.packet === undefined) return undefined;
    sent.push(effect.packet);
    if (lost.has(sent.length - 1)) return { kind: "timeout" };
    const type = readOption(effect.packet.options, option.messageType);
    return answerTo(effect.packet, type === "DISCOVER" ? "OFFER" : "ACK");
  });
  assert.equal(sent.length, 4);
  assert.ok(sent.every(({ xid }) => xid === 0xabcdef01));
  assert.equal(`${result.ip}/${result.bits} from ${result.server}`, "10.77.0.11/24 from 10.77.0.1");
});

test("offers of other servers are passed over while firmware waits for one that it can boot from", () => {
  let messages = 0;
  const { result } = drive(
    acquire(dhcpProfiles.edk2Pxe, machine, 7, (packet) => packet.file !== ""),
    (effect) => {
      if (effect.kind !== "dhcp") return undefined;
      messages += 1;
      const request = effect.packet ?? { ...decode(goldenPacket("edk2-x64-pxe-discover")), xid: 7 };
      if (messages === 1) return answerTo(request, "OFFER", "10.77.0.99", "10.77.0.2");
      const event = answerTo(request, messages === 2 ? "OFFER" : "ACK");
      return event.kind === "dhcp" ? { kind: "dhcp", packet: { ...event.packet, file: "loader" } } : event;
    },
  );
  assert.equal(result.server, "10.77.0.1");
  const failure = failureOf(() =>
    drive(
      acquire(dhcpProfiles.edk2Http, machine, 7, () => false),
      (effect) =>
        effect.kind === "dhcp" && effect.packet !== undefined
          ? answerTo(effect.packet, "OFFER")
          : { kind: "timeout" },
    ),
  );
  assert.match(String(failure), /nothing to boot that this firmware takes/);
});

test("after a NAK a machine begins anew, and after the third it is told so", () => {
  let requests = 0;
  const failure = failureOf(() =>
    drive(acquire(dhcpProfiles.networkd, machine, 7), (effect) => {
      if (effect.kind !== "dhcp" || effect.packet === undefined) return undefined;
      const discover = readOption(effect.packet.options, option.messageType) === "DISCOVER";
      if (!discover) requests += 1;
      return answerTo(effect.packet, discover ? "OFFER" : "NAK");
    }),
  );
  assert.equal(requests, 3);
  assert.match(String(failure), /refused 3 times/);
});
