import assert from "node:assert/strict";
import { test } from "node:test";
import { type DhcpRequest, readRequest } from "../../../server/dhcp/client.ts";
import { decode } from "../../../server/dhcp/decode.ts";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import type { DhcpPacket } from "../../../server/dhcp/packet.ts";
import { DecodeError } from "../../../server/lib/errors.ts";
import { type Ask, ask, goldenPacket } from "../../support/dhcp-scene.ts";

function requestOf(packet: DhcpPacket): DhcpRequest {
  const reading = readRequest(packet);
  assert.equal(reading.kind, "request");
  return reading.request;
}

function reasonOf(packet: DhcpPacket): string {
  const reading = readRequest(packet);
  return reading.kind === "ignore" ? reading.reason : "request";
}

const any: Ask = { mac: "52:54:00:00:00:01" };

/** Who a captured packet says it is, in one line. */
function who(name: string): string {
  const { client } = requestOf(decode(goldenPacket(name)));
  if (client.kind === "system") return "system";
  const detail = client.kind === "firmware" ? client.transport : `http ${client.http}`;
  return `${client.kind} ${detail} ${client.architecture.name}`;
}

test("real firmware is known for what it is", () => {
  assert.equal(who("edk2-x64-pxe-discover"), "firmware tftp uefi-x64");
  assert.equal(who("edk2-x64-pxe-request"), "firmware tftp uefi-x64");
  assert.equal(who("edk2-x64-secureboot-discover"), "firmware tftp uefi-x64");
  assert.equal(who("edk2-arm64-pxe-discover"), "firmware tftp uefi-arm64");
  assert.equal(who("edk2-x64-http-discover"), "firmware http uefi-x64-http");
  assert.equal(who("ipxe-bios-discover"), "ipxe http true bios");
  assert.equal(who("ipxe-efi-request"), "ipxe http true uefi-x64");
  assert.equal(who("networkd-discover"), "system");
});

test("iPXE by RFC 3004's form of the user class, and without the http feature", () => {
  const ipxe = (features: readonly [number, Uint8Array][]) =>
    requestOf(
      ask("DISCOVER", {
        ...any,
        options: [
          optionOf(option.vendorClass, "PXEClient:Arch:00000:UNDI:002001"),
          optionOf(option.userClass, ["iPXE"]),
          optionOf(option.architectures, [0]),
          optionOf(option.ipxe, new Map(features)),
        ],
      }),
    ).client;
  const http: [number, Uint8Array] = [19, Uint8Array.of(1)];
  assert.deepEqual(ipxe([http]).kind === "ipxe" && ipxe([http]), { ...ipxe([http]), http: true });
  assert.deepEqual(ipxe([]), { ...ipxe([]), kind: "ipxe", http: false });
});

test("an iPXE that tells no features, like gPXE before it, is taken to have none", () => {
  const { client } = requestOf(ask("DISCOVER", { ...any, options: [optionOf(option.userClass, ["iPXE"])] }));
  assert.ok(client.kind === "ipxe" && !client.http);
});

test("without option 93 the vendor class tells the architecture, and silence means BIOS", () => {
  const named = (vendorClass: string) => {
    const { client } = requestOf(
      ask("DISCOVER", { ...any, options: [optionOf(option.vendorClass, vendorClass)] }),
    );
    return client.kind === "system" ? "system" : client.architecture.name;
  };
  assert.equal(named("PXEClient:Arch:00007:UNDI:003000"), "uefi-x64");
  assert.equal(named("PXEClient"), "bios");
  assert.equal(named("HTTPClient:Arch:00016"), "uefi-x64-http");
  assert.equal(named("PXEClient:Arch:00077"), "arch-77");
  assert.equal(named("MSFT 5.0"), "system");
});

test("of several architectures the first with a loader counts", () => {
  const { client } = requestOf(
    ask("DISCOVER", {
      ...any,
      options: [optionOf(option.vendorClass, "PXEClient"), optionOf(option.architectures, [6, 7])],
    }),
  );
  assert.ok(client.kind === "firmware" && client.architecture.name === "uefi-x64");
});

test("option 175 of something that is no iPXE is nobody's business", () => {
  const options = [[175, Uint8Array.of(9, 200)]] as const;
  assert.equal(requestOf(ask("DISCOVER", { ...any, options })).client.kind, "system");
});

test("what is no Ethernet client's DHCP message is ignored by name", () => {
  const discover = ask("DISCOVER", any);
  assert.equal(reasonOf({ ...discover, op: 2 }), "not-a-request");
  assert.equal(reasonOf({ ...discover, htype: 32, hlen: 0 }), "not-ethernet");
  assert.equal(reasonOf({ ...discover, hlen: 16 }), "not-ethernet");
  assert.equal(reasonOf({ ...discover, chaddr: new Uint8Array(16) }), "bad-mac");
  assert.equal(reasonOf({ ...discover, chaddr: new Uint8Array(16).fill(255) }), "bad-mac");
});

test("without a message type it is BOOTP", () => {
  assert.equal(requestOf({ ...ask("DISCOVER", any), options: new Map() }).type, "BOOTP");
});

test("malformed options that matter are errors, not absences", () => {
  for (const [code, bytes] of [
    [61, []],
    [50, [10]],
    [54, [10, 0]],
    [57, [1]],
    [53, [1, 1]],
  ] as const) {
    const packet = ask("REQUEST", { ...any, options: [[code, Uint8Array.from(bytes)]] });
    assert.throws(() => readRequest(packet), DecodeError, String(code));
  }
});

test("who holds a lease: option 61 in hexadecimal, else the MAC", () => {
  assert.equal(requestOf(ask("DISCOVER", any)).identity, "mac:52:54:00:00:00:01");
  assert.equal(requestOf(ask("DISCOVER", { ...any, clientId: "ff00aa" })).identity, "id:ff00aa");
});

test("what strangers write is made safe before it reaches a log or a listing", () => {
  const { hostname, vendorClass, requestedIp } = requestOf(
    ask("DISCOVER", {
      ...any,
      options: [
        optionOf(option.hostname, "a\u001b[2J; rm -rf /"),
        optionOf(option.vendorClass, `x\u001b\n${"y".repeat(200)}`),
        [50, new Uint8Array(4)],
      ],
    }),
  );
  assert.equal(hostname, undefined);
  assert.equal(vendorClass, `x..${"y".repeat(125)}`);
  assert.equal(requestedIp, undefined, "0.0.0.0 asks for nothing");
});
