import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { decode } from "../../server/dhcp/decode.ts";
import { encode } from "../../server/dhcp/encode.ts";
import { option, optionOf } from "../../server/dhcp/option-table.ts";
import { type DhcpPacket, noAddress } from "../../server/dhcp/packet.ts";
import type { Ipv4 } from "../../server/lib/ipv4.ts";
import { deviceUdpSocket } from "../../server/net/device-socket.ts";
import { type Ask, ask, read } from "./dhcp-scene.ts";

/**
 * A PXE client in a network namespace, as much of one as EDK2's and iPXE's DHCP is: `node pxe-client-driver.ts '{…}'`. It
 * gathers offers for a while, takes an address of a server that has one and, where a proxy's offer says so, asks port
 * 4011. It prints what it came by as JSON.
 */
export type PxeClientArguments = {
  mac: string;
  /** `PXEClient:Arch:00007:UNDI:003016` */
  vendorClass: string;
  architecture: number;
  userClass?: string;
  /** Codes that iPXE lists within option 175. */
  features?: readonly number[];
};

export type PxeClientResult = {
  address: string;
  addressServer: string;
  /** Of the proxy's offer, or of its answer on port 4011. */
  bootFile: string;
  bootServer: string;
  asked4011: boolean;
  /** Every server that offered something, and which address. */
  offers: readonly { server: string; address: string }[];
};

const everybody = "255.255.255.255" as Ipv4;
/** As EDK2 waits, in less time: the wire here is quick. */
const gatherMs = 700;

const given = JSON.parse(process.argv[2] ?? "{}") as PxeClientArguments;
const identity: Ask = {
  mac: given.mac,
  flags: 0x8000,
  options: [
    optionOf(option.vendorClass, given.vendorClass),
    optionOf(option.architectures, [given.architecture]),
    optionOf(option.machineUuid, new Uint8Array(17)),
    ...(given.userClass === undefined ? [] : [optionOf(option.userClass, [given.userClass])]),
    ...(given.features === undefined
      ? []
      : [optionOf(option.ipxe, new Map(given.features.map((code) => [code, Uint8Array.of(1)])))]),
  ],
};

const socket = await deviceUdpSocket({ device: "eth0", address: noAddress, port: 68 });
const replies: DhcpPacket[] = [];
socket.on("message", (bytes) => replies.push(decode(bytes)));

function broadcast(packet: DhcpPacket): void {
  socket.send(encode(packet).bytes, 67, everybody);
}

/** Several times, as a DISCOVER may be lost while a server starts. */
async function gatherOffers(): Promise<readonly DhcpPacket[]> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    replies.length = 0;
    broadcast(ask("DISCOVER", identity));
    await delay(gatherMs);
    const offers = replies.filter((reply) => read(reply, option.messageType) === "OFFER");
    if (offers.some(isAddress) && offers.some((offer) => !isAddress(offer))) return offers;
  }
  throw new Error(`not both offers: ${JSON.stringify(replies)}`);
}

function isAddress(offer: DhcpPacket): boolean {
  return offer.yiaddr !== noAddress;
}

function serverOf(packet: DhcpPacket): Ipv4 {
  return read(packet, option.serverId) ?? noAddress;
}

/** The address of one server, taken up as RFC 2131 has it. */
async function takeAddress(offer: DhcpPacket): Promise<void> {
  const options = [
    ...(identity.options ?? []),
    optionOf(option.requestedIp, offer.yiaddr),
    optionOf(option.serverId, serverOf(offer)),
  ];
  replies.length = 0;
  broadcast(ask("REQUEST", { ...identity, options }));
  for (let waited = 0; waited < 100; waited += 1) {
    if (replies.some((reply) => read(reply, option.messageType) === "ACK" && isAddress(reply))) break;
    await delay(50);
  }
  await execa("ip", ["address", "replace", `${offer.yiaddr}/24`, "dev", "eth0"]);
}

/** EDK2: from port 4011 to port 4011 of `siaddr`, without a server identifier (PxeBcDhcp4.c, PxeBcDhcp4Discover). */
async function askBootServer(offer: DhcpPacket, address: Ipv4): Promise<DhcpPacket> {
  const own = await deviceUdpSocket({ device: "eth0", address, port: 4011 });
  own.send(encode(ask("REQUEST", { ...identity, flags: 0, ciaddr: address })).bytes, 4011, offer.siaddr);
  const [bytes] = (await once(own, "message", { signal: AbortSignal.timeout(5000) })) as [Buffer];
  own.close();
  return decode(bytes);
}

const offers = await gatherOffers();
const withAddress = offers.find(isAddress);
const proxys = offers.find((offer) => !isAddress(offer));
if (withAddress === undefined || proxys === undefined) throw new Error("no offer");
await takeAddress(withAddress);
const isIpxe = given.userClass === "iPXE";
const isComplete = isIpxe || proxys.options.has(43) || given.vendorClass.startsWith("HTTPClient");
const boot = isComplete ? proxys : await askBootServer(proxys, withAddress.yiaddr);
socket.close();
const result: PxeClientResult = {
  address: withAddress.yiaddr,
  addressServer: serverOf(withAddress),
  bootFile: read(boot, option.bootFile) ?? boot.file,
  bootServer: boot.siaddr,
  asked4011: !isComplete,
  offers: offers.map((offer) => ({ server: serverOf(offer), address: offer.yiaddr })),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
