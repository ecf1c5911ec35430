import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import { messageTypeNames } from "../../../server/dhcp/option-values.ts";
import type { DhcpPacket } from "../../../server/dhcp/packet.ts";
import { previewProxy } from "../../../server/dhcp/preview.ts";
import { raspberryPi } from "../../../server/model/arch.ts";
import {
  type Ask,
  ask,
  goldenPacket,
  head,
  ip,
  nodeOf,
  read,
  renew,
  select,
} from "../../support/dhcp-scene.ts";
import { type ProxyOutcome, ProxyScene } from "../../support/proxy-scene.ts";

const other = ip("10.77.0.254");
const any: Ask = { mac: "52:54:00:00:00:0a" };

function firmware(vendorClass: string, architecture: number, more: Partial<Ask> = {}): Ask {
  const options = [optionOf(option.vendorClass, vendorClass), optionOf(option.architectures, [architecture])];
  return { ...any, ...more, options: [...options, ...(more.options ?? [])] };
}

const bios = firmware("PXEClient:Arch:00000:UNDI:002001", 0);
const uefi = firmware("PXEClient:Arch:00007:UNDI:003016", 7);

function said(outcome: ProxyOutcome): string {
  return outcome.kind === "ignore" ? `ignore ${outcome.reason}` : outcome.type;
}

/** Options that are part of an address: none of them may be in a proxy's reply. */
const addressOptions = [1, 3, 6, 12, 15, 28, 50, 51, 58, 59, 121];

function assertNoAddress({ wire }: ProxyOutcome): void {
  assert.ok(wire);
  assert.equal(wire.yiaddr, "0.0.0.0");
  for (const code of addressOptions) assert.equal(wire.options.has(code), false, `option ${code}`);
}

for (const [name, file] of [
  ["edk2-x64-pxe-discover", "boot/52-54-00-00-04-01/loader/snponly.efi"],
  ["edk2-x64-secureboot-discover", "boot/52-54-00-00-05-01/loader/snponly.efi"],
  ["edk2-arm64-pxe-discover", "boot/52-54-00-00-0a-01/loader/ipxe-arm64.efi"],
] as const) {
  test(`${name}: an offer that sends EDK2 to port 4011`, () => {
    const scene = new ProxyScene();
    const offer = scene.send(goldenPacket(name));
    assertNoAddress(offer);
    assert.equal(offer.wire?.siaddr, head, "where EDK2 asks");
    assert.equal(read(offer.wire, option.serverId), head);
    assert.equal(read(offer.wire, option.vendorClass), "PXEClient");
    assert.equal(offer.wire?.options.has(43), false, "EDK2 drops a proxy's offer that has discovery options");
    assert.equal(offer.wire?.options.get(97)?.length, 17);
    assert.deepEqual(offer.kind === "reply" && offer.to, { address: "255.255.255.255", port: "client" });
    const event = offer.events[0];
    assert.ok(event?.kind === "offered" && event.client === "firmware" && event.bootFile === file);
    assert.equal(event.ip, undefined);
  });
}

test("edk2-x64-bootserver-request: with the address it has by then, EDK2 is given the file on port 4011", () => {
  const asked = new ProxyScene().ask(goldenPacket("edk2-x64-bootserver-request"));
  assert.equal(said(asked), "ACK");
  assertNoAddress(asked);
  assert.deepEqual([asked.wire?.ciaddr, asked.wire?.siaddr], ["10.77.0.12", head]);
  assert.equal(asked.wire?.file, "boot/52-54-00-77-00-02/loader/snponly.efi");
  assert.equal(asked.kind === "reply" && asked.to, "sender");
});

test("BIOS firmware is given the file in the offer, and told to look no further", () => {
  const offer = new ProxyScene().send(ask("DISCOVER", bios));
  assertNoAddress(offer);
  assert.equal(offer.wire?.file, "boot/52-54-00-00-00-0a/loader/undionly.kpxe");
  assert.equal(read(offer.wire, option.tftpServer), head);
  assert.deepEqual([...(offer.wire?.options.get(43) ?? [])], [6, 1, 8, 255]);
});

test("UEFI HTTP Boot: HTTPClient and the URL, by which EDK2 needs no port 4011", () => {
  const offer = new ProxyScene().send(goldenPacket("edk2-x64-http-discover"));
  assertNoAddress(offer);
  assert.equal(read(offer.wire, option.vendorClass), "HTTPClient");
  assert.equal(
    read(offer.wire, option.bootFile),
    "http://10.77.0.1:8080/boot/52-54-00-00-07-01/loader/snponly.efi",
  );
});

for (const name of ["ipxe-bios-discover", "ipxe-efi-discover"]) {
  test(`${name}: the script, from a server that iPXE takes for a proxy`, () => {
    const offer = new ProxyScene().send(goldenPacket(name));
    assertNoAddress(offer);
    assert.equal(read(offer.wire, option.vendorClass), "PXEClient");
    assert.match(offer.wire?.file ?? "", /^http:.*\/script\.ipxe$/);
    assert.equal(offer.wire?.options.has(175), false);
  });
}

test("each node is offered the loader that is its own, on both ports", () => {
  const own = nodeOf("n1", "10.77.0.5", [any.mac]);
  const scene = new ProxyScene({ loaderFor: (node) => (node === own ? "shim" : "grub") });
  const offered = (mac: string): (string | undefined)[] => [
    scene.send(ask("DISCOVER", { ...uefi, mac })).wire?.file,
    scene.ask(ask("REQUEST", { ...uefi, mac })).wire?.file,
  ];
  scene.nodes.push(own);
  const file = "boot/52-54-00-00-00-0a/loader/shimx64.efi";
  assert.deepEqual(offered(any.mac), [file, file]);
  assert.match(offered("52:54:00:00:00:0b").join(" "), /^\S+grubnetx64\.efi \S+grubnetx64\.efi$/);
});

test("an iPXE without HTTP is given a loader that has it", () => {
  const options = [optionOf(option.userClass, ["iPXE"]), optionOf(option.architectures, [0])];
  const offer = new ProxyScene().send(ask("DISCOVER", { ...any, options }));
  assertNoAddress(offer);
  assert.equal(offer.wire?.file, "boot/52-54-00-00-00-0a/loader/undionly.kpxe");
  assert.equal(read(offer.wire, option.vendorClass), "PXEClient");
});

test("a running system, and everything on port 67 that is no DISCOVER, is met with silence", () => {
  const scene = new ProxyScene();
  assert.equal(said(scene.send(goldenPacket("networkd-discover"))), "ignore not-booting");
  assert.equal(said(scene.send(ask("DISCOVER", any))), "ignore not-booting");
  for (const type of ["DECLINE", "RELEASE", "INFORM", "OFFER", "ACK", "NAK"] as const) {
    assert.equal(said(scene.send(ask(type, bios))), "ignore not-asked", type);
  }
  assert.equal(said(scene.send(select(bios, "10.77.0.83"))), "ignore other-server", "even if it chose us");
  assert.equal(said(scene.send(renew(bios, "10.9.9.9"))), "ignore other-server");
});

test("what a machine takes up of the other server is noted, as its address", () => {
  const scene = new ProxyScene();
  const { events } = scene.send(select(uefi, "10.77.0.83", other));
  const [event] = events;
  assert.ok(event?.kind === "offered");
  assert.deepEqual([event.ip, event.server, event.client], ["10.77.0.83", other, "firmware"]);
  assert.equal(event.bootFile, undefined);
  assert.deepEqual(scene.send(select(uefi, "10.77.0.83")).events, [], "of us there is no address");
  assert.deepEqual(scene.send(renew(uefi, "10.77.0.83")).events, []);
  const quiet = new ProxyScene({ unknownMachines: "ignore" });
  assert.deepEqual(quiet.send(select(uefi, "10.77.0.83", other)).events, []);
});

test("unknown machines boot nothing where the configuration says so; nodes do", () => {
  for (const unknownMachines of ["address", "ignore"] as const) {
    const scene = new ProxyScene({ unknownMachines });
    assert.equal(said(scene.send(ask("DISCOVER", bios))), "ignore nothing-to-boot");
    assert.equal(said(scene.ask(ask("REQUEST", uefi))), "ignore nothing-to-boot");
    scene.nodes.push(nodeOf("n001", "10.77.0.11", [any.mac]));
    assert.equal(said(scene.send(ask("DISCOVER", bios))), "OFFER");
    assert.equal(said(scene.ask(ask("REQUEST", uefi))), "ACK");
  }
});

test("firmware without a loader is told nothing, and the want of it is", () => {
  const outcome = new ProxyScene().send(ask("DISCOVER", firmware("PXEClient:Arch:00006:UNDI:003016", 6)));
  assert.equal(said(outcome), "ignore nothing-to-boot");
  assert.deepEqual(
    outcome.events.map((event) => event.kind === "refused" && event.message),
    ["there is no loader for uefi-ia32 firmware"],
  );
});

test("port 4011: REQUEST and INFORM of firmware, for us or for nobody by name; a menu's item comes back", () => {
  const scene = new ProxyScene();
  assert.equal(said(scene.ask(ask("INFORM", { ...bios, ciaddr: ip("10.77.0.83") }))), "ACK");
  assert.equal(said(scene.ask(ask("DISCOVER", bios))), "ignore not-asked");
  assert.equal(said(scene.ask(ask("RELEASE", bios))), "ignore not-asked");
  assert.equal(said(scene.ask(ask("REQUEST", any))), "ignore not-booting");
  const to = (server: typeof head): DhcpPacket =>
    ask("REQUEST", { ...bios, options: [...(bios.options ?? []), optionOf(option.serverId, server)] });
  assert.equal(said(scene.ask(to(head))), "ACK");
  assert.equal(said(scene.ask(to(other))), "ignore other-server");
  const item = new Map([[71, Uint8Array.of(0, 0, 0, 0)]]);
  const options = [...(bios.options ?? []), optionOf(option.vendorOptions, item)];
  const { wire } = scene.ask(ask("REQUEST", { ...bios, options }));
  assert.deepEqual(read(wire, option.vendorOptions), item);
});

test("through a relay: answered where the network is ours, silence where it is not", () => {
  const scene = new ProxyScene();
  const ours = scene.send(ask("DISCOVER", { ...bios, giaddr: ip("10.77.0.9") }));
  assert.deepEqual(ours.kind === "reply" && ours.to, { address: "10.77.0.9", port: "server" });
  assert.equal(ours.wire?.giaddr, "10.77.0.9");
  assert.equal(
    said(scene.send(ask("DISCOVER", { ...bios, giaddr: ip("10.99.0.9") }))),
    "ignore foreign-relay",
  );
});

test("a Raspberry Pi is told that it is meant, where there are files for it", () => {
  const pi = firmware("PXEClient:Arch:00000:UNDI:002001", 0, { mac: "dc:a6:32:00:00:01" });
  assert.equal(said(new ProxyScene().send(ask("DISCOVER", pi))), "ignore nothing-to-boot");
  const offer = new ProxyScene({ raspberryPiDirectory: "/srv/pi" }).send(ask("DISCOVER", pi));
  assertNoAddress(offer);
  assert.equal(offer.events[0]?.kind === "offered" && offer.events[0].firmware, raspberryPi.name);
  assert.equal(offer.wire?.siaddr, head);
  assert.equal(
    Buffer.from(offer.wire?.options.get(43) ?? []).toString("hex"),
    // As dnsmasq and everybody who boots a Pi by hand writes it.
    "0601030a0400505845091400001152617370626572727920506920426f6f74ff",
  );
});

test("never a rogue: whoever asks whatever, no reply carries an address, and none is a NAK", () => {
  const address = fc.integer({ min: 0, max: 255 }).map((last) => ip(`10.77.0.${last}`));
  const packets = fc.record({
    type: fc.constantFrom(...messageTypeNames),
    last: fc.integer({ min: 0, max: 255 }),
    ciaddr: fc.option(address),
    giaddr: fc.option(address, { freq: 2 }),
    requested: fc.option(address),
    server: fc.option(fc.constantFrom(head, other)),
    vendorClass: fc.constantFrom("PXEClient:Arch:00007:UNDI:003016", "HTTPClient:Arch:00016", "MSFT 5.0", ""),
    architecture: fc.constantFrom(0, 6, 7, 9, 11, 16, 19, 41, 77),
    isIpxe: fc.boolean(),
    port: fc.constantFrom("send", "ask"),
  });
  const scene = new ProxyScene({ raspberryPiDirectory: "/srv/pi" });
  scene.nodes.push(nodeOf("n001", "10.77.0.11", ["52:54:00:00:00:01"]));
  let replies = 0;
  fc.assert(
    fc.property(packets, (given) => {
      const options = [
        optionOf(option.vendorClass, given.vendorClass),
        optionOf(option.architectures, [given.architecture]),
        ...(given.isIpxe ? [optionOf(option.userClass, ["iPXE"])] : []),
        ...(given.requested === null ? [] : [optionOf(option.requestedIp, given.requested)]),
        ...(given.server === null ? [] : [optionOf(option.serverId, given.server)]),
      ];
      const packet = ask(given.type, {
        mac: `52:54:00:00:00:${given.last.toString(16).padStart(2, "0")}`,
        options,
        ...(given.ciaddr === null ? {} : { ciaddr: given.ciaddr }),
        ...(given.giaddr === null ? {} : { giaddr: given.giaddr }),
      });
      const outcome = scene[given.port](packet);
      if (outcome.kind === "ignore") return;
      replies += 1;
      assertNoAddress(outcome);
      assert.equal(outcome.type, given.port === "send" ? "OFFER" : "ACK");
    }),
    { numRuns: 2000, seed: 4011 },
  );
  assert.ok(replies > 100, `only ${replies} replies were looked at`);
});

test("preview: what firmware and iPXE are told; the system asks the other server alone", () => {
  const { site } = new ProxyScene().view;
  const previews = previewProxy(nodeOf("n001", "10.77.0.11", [any.mac]), site, "uefi-x64");
  assert.deepEqual(
    previews.map(({ client }) => client),
    ["firmware", "ipxe"],
  );
  assert.equal(
    previews[0]?.options.some(({ name }) => name === "yiaddr"),
    false,
  );
  assert.equal(
    previews[0]?.options.find(({ name }) => name === "file")?.value,
    "boot/52-54-00-00-00-0a/loader/snponly.efi",
  );
});
