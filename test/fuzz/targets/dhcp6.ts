import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { readRequest6 } from "../../../server/dhcp6/client.ts";
import { decode6, encode6 } from "../../../server/dhcp6/codec.ts";
import { decide6 } from "../../../server/dhcp6/decide.ts";
import { optionCodes } from "../../../server/dhcp6/packet.ts";
import { throughRelays } from "../../../server/dhcp6/relay.ts";
import { decodeSolicitation } from "../../../server/dhcp6/router-discovery.ts";
import { DecodeError } from "../../../server/lib/errors.ts";
import type { Ipv6 } from "../../../server/lib/ipv6.ts";
import type { Uuid } from "../../../server/model/machine-identity.ts";
import { nodeOf } from "../../support/dhcp-scene.ts";
import { clientMac, firmware, ipxe, message6, Scene6, solicit, toHead } from "../../unit/dhcp6/scene.ts";
import type { FuzzTarget } from "../fuzzer.ts";

const source = "fe80::5054:ff:fe12:3456" as Ipv6;
const relay = { type: "RELAY-FORW" as const, hops: 0, link: "fd77::5" as Ipv6, peer: source };
const relayed = {
  ...relay,
  options: throughRelays(solicit(...firmware("HTTP", 16)), [{ ...relay, options: [] }]).options,
};
/** With what identifies a machine: the port that the relay names, and what it saw. */
const named = {
  ...relay,
  options: [
    { code: optionCodes.interfaceId, value: Buffer.from("eth7") },
    { code: optionCodes.remoteId, value: Buffer.from("0000000973773100", "hex") },
    { code: optionCodes.clientLinkLayer, value: Buffer.from("0001525400123456", "hex") },
    ...relayed.options,
  ],
};

/** What firmware has sent (test/unit/dhcp6/golden). */
const golden = new URL("../../unit/dhcp6/golden/", import.meta.url);
const captured = readdirSync(golden)
  .filter((name) => name.endsWith(".hex"))
  .map((name) => Buffer.from(readFileSync(new URL(name, golden), "utf8").replaceAll(/\s/g, ""), "hex"));

/** From a hostile datagram to the answer, through whatever relays it claims to have come. */
export const dhcp6Decisions: FuzzTarget = (() => {
  const scene = new Scene6();
  const uuid = "4c4c4544-0042-3510-8054-b7c04f4e3731" as Uuid;
  scene.nodes.push(nodeOf("n001", "10.77.0.11", [clientMac]), {
    ...nodeOf("n002", "10.77.0.12", []),
    id: 2,
    uuid,
  });
  return {
    name: "dhcp6-decisions",
    seeds: [
      encode6(solicit(...firmware("PXE"))),
      encode6(solicit(ipxe)),
      encode6(relayed),
      encode6(named),
      ...captured,
      encode6(message6("REQUEST", [...solicit().options, toHead])),
      encode6(message6("INFORMATION-REQUEST", [])),
    ],
    words: [
      [0, 1, 0, 10],
      [0, 2, 0, 10],
      [0, 3, 0, 12],
      [0, 5, 0, 24],
      [0, 9, 0, 40],
      [0, 15, 0, 6],
      [0, 16, 0, 9],
      [0, 18, 0, 4],
      [0, 37, 0, 8],
      [0, 79, 0, 8],
      [12, 0],
      [3],
    ].map((word) => Uint8Array.from(word)),
    longest: 1500,
    rooms: ["/server/dhcp6/", "/server/lib/", "/server/model/identify"],
    run: (bytes) => {
      allowed(() => {
        const request = readRequest6(decode6(bytes), source);
        const decision = decide6(request, scene.view, 0);
        if (decision.kind === "ignore") return;
        const back = decode6(encode6(throughRelays(decision.message, request.relays)));
        assert.equal(back.type === "RELAY-REPL", request.relays.length > 0);
      });
    },
  };
})();

/** ICMPv6 from whoever is on the wire. */
export const routerSolicitation: FuzzTarget = {
  name: "router-solicitation",
  seeds: [Uint8Array.from([133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56])],
  words: [Uint8Array.of(1, 1), Uint8Array.of(0, 0), Uint8Array.of(14, 1)],
  longest: 300,
  rooms: ["/server/dhcp6/router", "/server/lib/"],
  run: (bytes) => {
    allowed(() => decodeSolicitation(bytes));
  },
};

function allowed(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}
