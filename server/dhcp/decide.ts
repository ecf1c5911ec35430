import { assertNever } from "../lib/assert.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { BootEvent } from "../model/boot-event.ts";
import { conflictEvents, identify } from "../model/identify.ts";
import { networkOf } from "../model/network.ts";
import type { Lease } from "../model/node.ts";
import { bootpReply } from "./bootp.ts";
import type { DhcpRequest } from "./client.ts";
import { type Destination, destinationOf } from "./destination.ts";
import { noRoomEvents, offerEvents, refused } from "./dhcp-events.ts";
import type { IgnoreReason } from "./ignore-reason.ts";
import { linkOf, linkText } from "./link.ts";
import { option } from "./option-table.ts";
import { settingsOf } from "./option-settings.ts";
import { type DhcpPacket, noAddress } from "./packet.ts";
import { type Grant, informReply, leaseReply, nakReply, noAddressReply } from "./reply.ts";
import type { DhcpView } from "./site.ts";
import { type Context, chooseAddress, knows, offeredAddress, standing } from "./standing.ts";

/** Something to remember, and nothing to answer. */
export type Note = { kind: "note"; leases: readonly Lease[]; events: readonly BootEvent[] };

/** What to do about a request. Lease changes are to be durable before a reply goes out. */
export type Decision =
  | {
      kind: "reply";
      type: "OFFER" | "ACK" | "NAK" | "BOOTP";
      packet: DhcpPacket;
      to: Destination;
      leases: readonly Lease[];
      hold?: { ip: Ipv4; untilMs: number };
      events: readonly BootEvent[];
    }
  /** RELEASE and DECLINE: noted, never answered. */
  | Note
  | { kind: "ignore"; reason: IgnoreReason; events: readonly BootEvent[] };

/** How long an offer stands. EDK2 asks for the address 3 to 4 s after the offer, iPXE up to 3 s. */
const holdMs = 10_000;
/** How long nobody gets an address that a client found in use. */
const quarantineMs = 3_600_000;

/** Decides one request; changes nothing that the next decision could tell, and never throws. */
export function decide(request: DhcpRequest, view: DhcpView, nowMs: number): Decision {
  const { site } = view;
  const found = linkOf(request, site.networks);
  if (found.kind === "foreign") return ignore(found.reason);
  const { link } = found;
  const identity = identify(request, view, nowMs);
  if (identity.kind === "conflict") {
    const events = request.type === "DISCOVER" ? conflictEvents(request.mac, identity, nowMs) : [];
    return { kind: "ignore", reason: "conflict", events };
  }
  const node = identity.kind === "node" ? identity.node : undefined;
  const context: Context = { request, view, nowMs, link, node };
  if (node === undefined && site.unknownMachines === "ignore") {
    return refuse(context, "unknown-machine", "not in the inventory, and unknown machines are ignored");
  }
  if (node !== undefined && networkOf(node.ip, link) === undefined) {
    return refuse(
      context,
      "foreign-network",
      `${node.name} has the address ${node.ip}, but asks from ${linkText(link)}`,
    );
  }
  switch (request.type) {
    case "DISCOVER": {
      return discover(context);
    }
    case "REQUEST": {
      return decideRequest(context);
    }
    case "RELEASE": {
      return release(context);
    }
    case "DECLINE": {
      return decline(context);
    }
    case "INFORM": {
      return inform(context);
    }
    case "BOOTP": {
      return bootp(context);
    }
    case "OFFER":
    case "ACK":
    case "NAK": {
      return ignore("server-message");
    }
  }
  return assertNever(request.type);
}

function discover(context: Context): Decision {
  const { request, view, nowMs, node } = context;
  const ip = node?.ip ?? chooseAddress(context);
  if (ip === undefined) return noneFree(context);
  const packet = leaseReply("OFFER", request, grantOf(ip, context), view.site);
  return {
    kind: "reply",
    type: "OFFER",
    packet,
    to: destinationOf("OFFER", request, ip),
    leases: [],
    ...(node === undefined ? { hold: { ip, untilMs: nowMs + holdMs } } : {}),
    events: offerEvents(context, ip),
  };
}

/** Silence, but for a client that asks whether it may help itself (RFC 2563 section 2.3): an offer of nothing, and no. */
function noneFree(context: Context): Decision {
  const { request, view, link } = context;
  const pools = link.some((network) => network.pools.length > 0)
    ? "no free address in the pool"
    : "there is no pool";
  const message = `${pools} of ${linkText(link)} for machines not in the inventory`;
  if (!request.packet.options.has(option.autoConfigure.code))
    return refuse(context, "pool-exhausted", message);
  return {
    kind: "reply",
    type: "OFFER",
    packet: noAddressReply(request, view.site),
    to: destinationOf("OFFER", request),
    leases: [],
    events: [refused(context, message)],
  };
}

function decideRequest(context: Context): Decision {
  const { request, view } = context;
  const { ciaddr } = request.packet;
  if (request.serverId !== undefined && request.serverId !== view.site.address) return ignore("other-server");
  const renewing = ciaddr !== noAddress;
  const asked = renewing ? ciaddr : (request.requestedIp ?? offeredAddress(context));
  if (asked === undefined) return ignore("no-address-asked");
  switch (standing(asked, context)) {
    case "own": {
      return acknowledge(context, asked);
    }
    case "free": {
      // Selecting after its offer ran out, or renewing a lease that we lost sight of: nobody is in the way. A client
      // that merely remembers an address gets silence (RFC 2131 section 4.3.2) and starts over.
      return renewing || request.serverId !== undefined ? acknowledge(context, asked) : ignore("no-record");
    }
    case "taken": {
      // Who chose our offer or has our address is told; who merely remembers one may mean another server's.
      if (!view.site.authoritative && request.serverId === undefined && !knows(asked, context)) {
        return ignore("not-ours");
      }
      return {
        kind: "reply",
        type: "NAK",
        packet: nakReply(request, refusalOf(asked, context), view.site),
        to: destinationOf("NAK", request),
        leases: [],
        events: [],
      };
    }
  }
}

/** Why a REQUEST is refused, for the NAK's message and thereby the client's log. */
function refusalOf(asked: Ipv4, { link, node }: Context): string {
  if (networkOf(asked, link) === undefined) return `${asked} is not in this network`;
  if (node !== undefined) return `${node.name} has the address ${node.ip}`;
  return `${asked} is not yours to use`;
}

function acknowledge(context: Context, ip: Ipv4): Decision {
  const { request, view, nowMs, node } = context;
  const grant = grantOf(ip, context);
  const earlier = view.leases.get(ip);
  const goesOn = earlier?.mac === request.mac && earlier.state === "bound" && earlier.expiresAtMs > nowMs;
  const hostname = node?.name ?? request.hostname;
  const lease: Lease = {
    ip,
    client: request.identity,
    mac: request.mac,
    ...(hostname === undefined ? {} : { hostname }),
    state: "bound",
    startedAtMs: goesOn ? earlier.startedAtMs : nowMs,
    expiresAtMs: nowMs + grant.network.leaseSeconds * 1000,
  };
  return {
    kind: "reply",
    type: "ACK",
    packet: leaseReply("ACK", request, grant, view.site),
    to: destinationOf("ACK", request, ip),
    leases: [lease, ...givenUp(context, ip)],
    events: [],
  };
}

/** What is given: an address, of the network of the link that it is in. */
function grantOf(ip: Ipv4, { node, link, view: { site, directory } }: Context): Grant {
  const network = networkOf(ip, link) ?? link[0];
  return { ip, node, network, settings: settingsOf(node, network, site, directory) };
}

/** The pool lease that the machine leaves behind when it moves to another address of the same wire. */
function givenUp({ request, view, nowMs, link }: Context, ip: Ipv4): Lease[] {
  const lease = view.leases.poolLeaseOf(link[0].wire, request.mac);
  if (lease === undefined || lease.ip === ip || lease.state !== "bound") return [];
  return [{ ...lease, state: "released", expiresAtMs: Math.min(lease.expiresAtMs, nowMs) }];
}

function release(context: Context): Decision {
  const { request, view, nowMs } = context;
  if (request.serverId !== undefined && request.serverId !== view.site.address) return ignore("other-server");
  const { ciaddr } = request.packet;
  if (ciaddr === noAddress) return ignore("no-address-asked");
  const lease = view.leases.get(ciaddr);
  if (lease?.mac !== request.mac || lease.state !== "bound") return ignore("not-holder");
  return { kind: "note", leases: [{ ...lease, state: "released", expiresAtMs: nowMs }], events: [] };
}

/**
 * A client found its address in use. A pool address rests; a node's own address is still the node's: somebody else uses
 * it without right, which an administrator has to see, and the node may find it free the next time it asks.
 */
function decline(context: Context): Decision {
  const { request, view, nowMs, node } = context;
  if (request.serverId !== undefined && request.serverId !== view.site.address) return ignore("other-server");
  const ip = request.requestedIp;
  if (ip === undefined) return ignore("no-address-asked");
  if (standing(ip, context) !== "own") return ignore("not-holder");
  const events = [refused(context, `${ip} is in use by another machine: ${request.mac} found it taken`)];
  if (node !== undefined) return { kind: "note", leases: [], events };
  return { kind: "note", leases: [quarantined(ip, request, nowMs)], events };
}

/** Nobody gets the address for a while. `finder`: who would have used it. */
function quarantined(ip: Ipv4, finder: Finder, nowMs: number): Lease {
  return {
    ip,
    client: finder.identity,
    mac: finder.mac,
    state: "declined",
    startedAtMs: nowMs,
    expiresAtMs: nowMs + quarantineMs,
  };
}

type Finder = Pick<DhcpRequest, "mac" | "identity">;

/** An address that was about to be offered is in use: `owner` answered by ARP, or somebody else did from afar. */
export function foundTaken(ip: Ipv4, finder: Finder, owner: Mac | undefined, nowMs: number): Note {
  const by = owner === undefined ? "" : `: ${owner} answers for it`;
  const message = `${ip} of the pool is in use by a machine that was not given it${by}`;
  const event: BootEvent = { kind: "refused", mac: finder.mac, atMs: nowMs, step: "offered", message };
  return { kind: "note", leases: [quarantined(ip, finder, nowMs)], events: [event] };
}

function inform(context: Context): Decision {
  const { request, view, link } = context;
  const { ciaddr } = request.packet;
  if (ciaddr === noAddress) return ignore("no-address-asked");
  if (networkOf(ciaddr, link) === undefined) return ignore("foreign-network");
  return {
    kind: "reply",
    type: "ACK",
    packet: informReply(request, grantOf(ciaddr, context), view.site),
    // RFC 2131 section 4.3.5: straight to the client, also when a relay forwarded its request.
    to: { address: ciaddr, port: "client" },
    leases: [],
    events: [],
  };
}

/**
 * BOOTP has no leases: what it gives is for ever, so only nodes are given something. A pool would run dry of strangers
 * that never give anything back.
 */
function bootp(context: Context): Decision {
  const { request, view, node } = context;
  const { sname } = request.packet;
  // RFC 951 section 7.3: the client may ask for a server by name.
  if (sname !== "" && sname !== view.site.address) return ignore("other-server");
  if (node === undefined) return refuse(context, "unknown-machine", "asks by BOOTP, which only nodes may");
  const { packet, leftOut } = bootpReply(request, grantOf(node.ip, context), view.site.address);
  const events = [...offerEvents(context, node.ip), ...noRoomEvents(context, leftOut)];
  return { kind: "reply", type: "BOOTP", packet, to: destinationOf("ACK", request), leases: [], events };
}

function ignore(reason: IgnoreReason): Decision {
  return { kind: "ignore", reason, events: [] };
}

/** Ignored, and told once an attempt: a client that looks for an address repeats its DISCOVER only, and BOOTP has one message. */
function refuse(context: Context, reason: IgnoreReason, message: string): Decision {
  const { type } = context.request;
  const events = type === "DISCOVER" || type === "BOOTP" ? [refused(context, message)] : [];
  return { kind: "ignore", reason, events };
}
