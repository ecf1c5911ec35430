import { readFileSync } from "node:fs";
import { type Ipv4, ipv4FromNumber, ipv4ToNumber, parseIpv4, parseSubnet } from "../../server/lib/ipv4.ts";
import { type Mac, hyphenated, macToBytes, parseMac } from "../../server/lib/mac.ts";
import type { BootIdentity } from "../../server/model/boot-identity.ts";
import type { Directory } from "../../server/model/directory.ts";
import type { Network } from "../../server/model/network.ts";
import type { ClusterNode, Lease } from "../../server/model/node.ts";
import { readRequest } from "../../server/dhcp/client.ts";
import { type Decision, decide } from "../../server/dhcp/decide.ts";
import { decode } from "../../server/dhcp/decode.ts";
import { encode, replyLimit } from "../../server/dhcp/encode.ts";
import { LeaseTable } from "../../server/dhcp/leases.ts";
import { type OptionRow, option, optionOf, readOption } from "../../server/dhcp/option-table.ts";
import type { MessageType } from "../../server/dhcp/option-values.ts";
import { type DhcpPacket, bootRequest, noAddress } from "../../server/dhcp/packet.ts";
import { UuidSightings } from "../../server/model/uuid-sightings.ts";
import type { DhcpSite, DhcpView } from "../../server/dhcp/site.ts";

export function ip(text: string): Ipv4 {
  const parsed = parseIpv4(text);
  if (parsed === undefined) throw new Error(`no address: ${text}`);
  return parsed;
}

export function mac(text: string): Mac {
  const parsed = parseMac(text);
  if (parsed === undefined) throw new Error(`no MAC address: ${text}`);
  return parsed;
}

export const head = ip("10.77.0.1");

/** The head's own network: a pool of three addresses, so that it runs out within a test. */
export const ownNetwork: Network = {
  subnet: { base: ip("10.77.0.0"), bits: 24 },
  wire: "eth0",
  pools: [{ from: ip("10.77.0.200"), to: ip("10.77.0.202") }],
  leaseSeconds: 3600,
  router: ip("10.77.0.254"),
  dns: [head],
  domain: "rack.test",
  options: [],
};

/** `10.77.2.0/24` with the router 10.77.2.254 and a pool of two addresses, 10.77.2.200 and 201. */
export function networkOf(subnet: string, wire: string, changes: Partial<Network> = {}): Network {
  const parsed = parseSubnet(subnet);
  if (parsed === undefined) throw new Error(`no subnet: ${subnet}`);
  const host = (last: number): Ipv4 => ipv4FromNumber(ipv4ToNumber(parsed.base) + last);
  return {
    ...ownNetwork,
    subnet: parsed,
    wire,
    pools: [{ from: host(200), to: host(201) }],
    router: host(254),
    ...changes,
  };
}

export function siteOf(changes: Partial<DhcpSite> = {}): DhcpSite {
  return {
    address: head,
    networks: [ownNetwork],
    options: [],
    authoritative: true,
    unknownMachines: "wait",
    loaderFor: () => "ipxe",
    urls: {
      loader: (machine, file) => `http://${head}:8080/boot/${segment(machine)}/loader/${file}`,
      loaderPath: (machine, file) => `boot/${segment(machine)}/loader/${file}`,
      script: (machine) => `http://${head}:8080/boot/${segment(machine)}/script.ipxe`,
    },
    ...changes,
  };
}

function segment({ mac: port, name }: BootIdentity): string {
  return `${hyphenated(port)}${name === undefined ? "" : `~${name}`}`;
}

export function nodeOf(name: string, address: string, macs: readonly string[]): ClusterNode {
  return {
    id: 1,
    name,
    macs: macs.map(mac),
    ip: ip(address),
    groups: [],
    kernelArguments: [],
    machineId: "0".repeat(32),
    sshPublicKey: "",
    addedAtMs: 0,
  };
}

/** A directory over a list that the test may change while it is in use. */
export function directoryOf(nodes: readonly ClusterNode[]): Directory {
  return {
    byId: (id) => nodes.find((node) => node.id === id),
    byMac: (address) => nodes.find((node) => node.macs.includes(address)),
    byUuid: (uuid) => nodes.find((node) => node.uuid === uuid),
    byClientId: (id) => nodes.find((node) => node.clientIds?.includes(id)),
    byRelayPort: (port) => nodes.find((node) => node.relayPort === port),
    byIp: (address) => nodes.find((node) => node.ip === address),
    byName: (name) => nodes.find((node) => node.name === name),
    nodes: () => nodes,
    group: () => undefined,
    groups: () => [],
  };
}

/** Fields and options of a client's message; options by the names of the table. */
export type Ask = Partial<Omit<DhcpPacket, "options">> & {
  mac: string;
  options?: readonly (readonly [number, Uint8Array])[];
  clientId?: string;
};

export function ask(type: MessageType, given: Ask): DhcpPacket {
  const { mac: address, options = [], clientId, ...fields } = given;
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(address as Mac));
  return {
    op: bootRequest,
    htype: 1,
    hlen: 6,
    hops: 0,
    xid: 0x12345678,
    secs: 0,
    flags: 0,
    ciaddr: noAddress,
    yiaddr: noAddress,
    siaddr: noAddress,
    giaddr: noAddress,
    chaddr,
    sname: "",
    file: "",
    ...fields,
    options: new Map([
      optionOf(option.messageType, type),
      ...(clientId === undefined ? [] : [optionOf(option.clientId, Buffer.from(clientId, "hex"))]),
      ...options,
    ]),
  };
}

/** A REQUEST that takes up an offer of ours (RFC 2131 table 4, SELECTING). */
export function select(given: Ask, address: string, server: Ipv4 = head): DhcpPacket {
  const options = [optionOf(option.requestedIp, ip(address)), optionOf(option.serverId, server)];
  return ask("REQUEST", { ...given, options: [...options, ...(given.options ?? [])] });
}

/** A REQUEST after a reboot for the address the client remembers (INIT-REBOOT). */
export function initReboot(given: Ask, address: string): DhcpPacket {
  const options = [optionOf(option.requestedIp, ip(address)), ...(given.options ?? [])];
  return ask("REQUEST", { ...given, options });
}

/** A REQUEST to go on with a lease (RENEWING and REBINDING look the same but for where they are sent). */
export function renew(given: Ask, address: string): DhcpPacket {
  return ask("REQUEST", { ...given, ciaddr: ip(address) });
}

export function goldenPacket(name: string): Uint8Array {
  const file = new URL(`../unit/dhcp/golden/${name}.hex`, import.meta.url);
  return Buffer.from(readFileSync(file, "utf8").replaceAll(/\s/g, ""), "hex");
}

/** A decision with the reply as a client would read it off the wire. */
export type Outcome = Decision & { wire?: DhcpPacket };

export function read<T>(packet: DhcpPacket | undefined, row: OptionRow<T>): T | undefined {
  return packet === undefined ? undefined : readOption(packet.options, row);
}

/**
 * Plays packets against the decisions with a clock moved by hand. What the server does with a decision is done here at
 * once: holds and leases go into the table. Every packet goes over the wire's bytes both ways.
 */
export class Scene {
  readonly nodes: ClusterNode[] = [];
  readonly view: DhcpView;
  nowMs = 0;

  constructor(site: Partial<DhcpSite> = {}, leases: readonly Lease[] = []) {
    const full = siteOf(site);
    this.view = {
      site: full,
      leases: new LeaseTable(full.networks, leases),
      sightings: new UuidSightings(),
      directory: directoryOf(this.nodes),
    };
  }

  at(seconds: number): this {
    this.nowMs = seconds * 1000;
    return this;
  }

  send(packet: DhcpPacket | Uint8Array): Outcome {
    const bytes = packet instanceof Uint8Array ? packet : encode(packet).bytes;
    const reading = readRequest(decode(bytes), bytes.length);
    if (reading.kind === "ignore") throw new Error(`no request: ${reading.reason}`);
    const { request } = reading;
    if (request.uuid !== undefined) this.view.sightings.note(request.mac, request.uuid, this.nowMs);
    const decision = decide(request, this.view, this.nowMs);
    if (decision.kind === "ignore") return decision;
    if (decision.kind === "reply" && decision.hold !== undefined) {
      this.view.leases.hold(decision.hold.ip, request.mac, decision.hold.untilMs);
    }
    for (const lease of decision.leases) this.view.leases.set(lease);
    if (decision.kind === "note") return decision;
    const { bytes: reply } = encode(decision.packet, replyLimit(request.maxMessageBytes));
    return { ...decision, wire: decode(reply) };
  }

  /** DISCOVER and REQUEST; the address that was acknowledged. */
  join(given: Ask): string {
    const offer = this.send(ask("DISCOVER", given));
    if (offer.wire === undefined) throw new Error(`no offer: ${JSON.stringify(offer)}`);
    const ack = this.send(select(given, offer.wire.yiaddr));
    if (ack.kind !== "reply" || ack.type !== "ACK") throw new Error(`no ACK: ${JSON.stringify(ack)}`);
    return ack.wire?.yiaddr ?? "";
  }
}

/** `OFFER 10.77.0.200`, `NAK`, `note`, `ignore no-record`: what happened, for assertions. */
export function brief(outcome: Outcome): string {
  switch (outcome.kind) {
    case "ignore": {
      return `ignore ${outcome.reason}`;
    }
    case "note": {
      return "note";
    }
    case "reply": {
      return outcome.type === "NAK" ? "NAK" : `${outcome.type} ${outcome.wire?.yiaddr}`;
    }
  }
}
