import { readRequest6 } from "../../../server/dhcp6/client.ts";
import { decode6, encode6, encodeOptions6 } from "../../../server/dhcp6/codec.ts";
import { type Decision6, decide6 } from "../../../server/dhcp6/decide.ts";
import { linkLayerDuid, readAssociation, vendorClassOption } from "../../../server/dhcp6/option-values.ts";
import {
  find6,
  type Message6,
  type Option6,
  optionCodes,
  type Packet6,
} from "../../../server/dhcp6/packet.ts";
import type { Site6, View6 } from "../../../server/dhcp6/site.ts";
import { type Ipv6, parseIpv6Prefix } from "../../../server/lib/ipv6.ts";
import { hyphenated, macToBytes, type Mac } from "../../../server/lib/mac.ts";
import type { ClusterNode } from "../../../server/model/node.ts";
import { UuidSightings } from "../../../server/model/uuid-sightings.ts";
import { directoryOf } from "../../support/dhcp-scene.ts";

export const headDuid = linkLayerDuid(Uint8Array.of(2, 0, 0, 0, 0, 1));
export const clientMac = "52:54:00:12:34:56" as Mac;
export const clientDuid = linkLayerDuid(macToBytes(clientMac));

export function message6(type: Message6["type"], options: readonly Option6[]): Message6 {
  return { type, transactionId: 0xabcdef, options };
}

export const fromClient: Option6 = { code: optionCodes.clientId, value: clientDuid };
export const toHead: Option6 = { code: optionCodes.serverId, value: headDuid };

/** An IA_NA with the addresses in it. */
export function association(iaid: number, addresses: readonly Uint8Array[] = []): Option6 {
  const head = Buffer.alloc(12);
  head.writeUInt32BE(iaid, 0);
  const inside = encodeOptions6(
    addresses.map((address) => ({
      code: optionCodes.address,
      value: Buffer.concat([address, Buffer.alloc(8)]),
    })),
  );
  return { code: optionCodes.identityNonTemporary, value: Buffer.concat([head, inside]) };
}

/** As EDK2 asks for a boot file by IPv6. */
export function firmware(transport: "PXE" | "HTTP", architecture = 7): Option6[] {
  return [
    vendorClassOption(343, `${transport}Client:Arch:${String(architecture).padStart(5, "0")}:UNDI:003016`),
    { code: optionCodes.architectures, value: Uint8Array.of(architecture >> 8, architecture & 255) },
  ];
}

export const ipxe: Option6 = {
  code: optionCodes.userClass,
  value: Buffer.from("\0\u0004iPXE", "latin1"),
};

export function solicit(...options: readonly Option6[]): Message6 {
  return message6("SOLICIT", [fromClient, association(1), ...options]);
}

/** Plays messages, over the wire's bytes both ways, with a clock moved by hand. */
export class Scene6 {
  readonly nodes: ClusterNode[] = [];
  readonly sightings = new UuidSightings();
  readonly declined = new Map<Ipv6, number>();
  readonly view: View6;
  nowMs = 0;

  constructor(changes: Partial<Site6> = {}) {
    const own = (machine: { mac: Mac; name?: string }): string =>
      `boot/${hyphenated(machine.mac)}${machine.name === undefined ? "" : `~${machine.name}`}`;
    this.view = {
      site: {
        duid: headDuid,
        prefix: parseIpv6Prefix("fd77::/64") ?? { base: "::" as Ipv6, bits: 64 },
        leaseSeconds: 3600,
        domain: "rack.test",
        dns: [],
        unknownMachines: "wait",
        loaderFor: () => "ipxe",
        urls: {
          tftpLoader: (machine, file) => `tftp://[fd77::1]/${own(machine)}/loader/${file}`,
          loader: (machine, file) => `http://[fd77::1]:8080/${own(machine)}/loader/${file}`,
          script: (machine) => `http://[fd77::1]:8080/${own(machine)}/script.ipxe`,
        },
        ...changes,
      },
      directory: directoryOf(this.nodes),
      sightings: this.sightings,
      isDeclined: (ip, nowMs) => (this.declined.get(ip) ?? 0) > nowMs,
    };
  }

  /** `relays`: those it goes through, the one next to the client first. */
  send(
    message: Message6,
    source = "fe80::5054:ff:fe12:3456",
    relays: readonly { link: string; options: readonly Option6[] }[] = [],
  ): Decision6 {
    let packet: Packet6 = message;
    for (const [hops, { link, options }] of relays.entries()) {
      const carried: Option6 = { code: optionCodes.relayMessage, value: encode6(packet) };
      const peer = (hops === 0 ? source : "fe80::1") as Ipv6;
      packet = { type: "RELAY-FORW", hops, link: link as Ipv6, peer, options: [...options, carried] };
    }
    const request = readRequest6(
      decode6(encode6(packet)),
      (relays.length === 0 ? source : "fe80::2") as Ipv6,
    );
    const { mac, uuid } = request;
    if (mac !== undefined && uuid !== undefined) this.sightings.note(mac, uuid, this.nowMs);
    const decision = decide6(request, this.view, this.nowMs);
    if (decision.kind === "ignore") return decision;
    for (const ip of decision.declined) this.declined.set(ip, this.nowMs + 3_600_000);
    const read = decode6(encode6(decision.message));
    return { ...decision, message: read as Message6 };
  }
}

/** The address in the answer's first association. */
export function granted(decision: Decision6): string | undefined {
  const value = replyOption(decision, optionCodes.identityNonTemporary);
  return value === undefined ? undefined : readAssociation(value).addresses[0];
}

export function bootUrl(decision: Decision6): string | undefined {
  const value = replyOption(decision, optionCodes.bootFileUrl);
  return value === undefined ? undefined : Buffer.from(value).toString("latin1");
}

export function replyOption(decision: Decision6, code: number): Uint8Array | undefined {
  return decision.kind === "reply" ? find6(decision.message.options, code) : undefined;
}

/** `ADVERTISE fd77::…`, `REPLY`, `ignore no-client-id`. */
export function brief6(decision: Decision6): string {
  if (decision.kind === "ignore") return `ignore ${decision.reason}`;
  const ip = granted(decision);
  return ip === undefined ? decision.message.type : `${decision.message.type} ${ip}`;
}
