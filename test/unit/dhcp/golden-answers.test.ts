import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { decode } from "../../../server/dhcp/decode.ts";
import { bootRequest } from "../../../server/dhcp/packet.ts";
import { printPacket } from "../../../server/dhcp/print.ts";
import { Scene, brief, goldenPacket, ip, networkOf, ownNetwork } from "../../support/dhcp-scene.ts";
import { type ProxyOutcome, ProxyScene } from "../../support/proxy-scene.ts";

/**
 * What each client of which a packet is kept is answered: by a head that gives out addresses, by one beside another DHCP
 * server, and on port 4011. It stands in `golden/NAME.answers`. A head that gives out
 * addresses has 10.77.0.80 to .199 for strangers here. UPDATE_GOLDEN=1 writes them anew; read what has changed.
 */
const goldenFolder = new URL("golden/", import.meta.url);
const raspberryPiDirectory = "/srv/pi";

/** Where the relayed ones come from: dhcrelay, with option 82. */
const far = networkOf("10.78.0.0/24", "far", {
  pools: [{ from: ip("10.78.0.100"), to: ip("10.78.0.120") }],
});

function answersTo(bytes: Uint8Array): string {
  const pools = [{ from: ip("10.77.0.80"), to: ip("10.77.0.199") }];
  const scene = new Scene({ raspberryPiDirectory, networks: [{ ...ownNetwork, pools }, far] });
  const served = scene.send(bytes);
  const server = `server: ${brief(served)}\n${served.wire === undefined ? "" : printPacket(served.wire)}`;
  const beside = new ProxyScene({ raspberryPiDirectory });
  return [server, proxied("proxy", beside.send(bytes)), proxied("port 4011", beside.ask(bytes))].join("\n");
}

function proxied(name: string, outcome: ProxyOutcome): string {
  const said = outcome.kind === "ignore" ? `ignore ${outcome.reason}` : outcome.type;
  return `${name}: ${said}\n${outcome.wire === undefined ? "" : printPacket(outcome.wire)}`;
}

const requests = readdirSync(goldenFolder)
  .filter((name) => name.endsWith(".hex"))
  .map((name) => name.slice(0, -4))
  .filter((name) => decode(goldenPacket(name)).op === bootRequest);

for (const name of requests) {
  test(`golden ${name}: is answered as is written beside it`, () => {
    const answers = answersTo(goldenPacket(name));
    const file = new URL(`${name}.answers`, goldenFolder);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, answers);
    assert.equal(answers, readFileSync(file, "utf8"));
  });
}

test("the kept packets are of every kind of client", () => {
  const kinds = new Set(requests.map((name) => name.replace(/-(?:discover|request)$/, "")));
  const relayed = ["relayed-edk2-x64-pxe", "relayed-ipxe-bios"];
  const firmware = ["edk2-x64-pxe", "edk2-x64-http", "ipxe-bios", "ipxe-efi", "raspberry-pi-5"];
  for (const kind of [
    ...firmware,
    ...relayed,
    "grub-efi",
    "windows-10",
    "networkd",
    "dhclient",
    "udhcpc",
    "dhcpcd",
    "klibc-bootp",
  ]) {
    assert.ok(kinds.has(kind), kind);
  }
});
