import type { Ipv4 } from "../lib/ipv4.ts";
import { networkOf, poolOf } from "../model/network.ts";
import type { ClusterNode } from "../model/node.ts";
import type { DhcpRequest } from "./client.ts";
import type { Link } from "./link.ts";
import { option } from "./option-table.ts";
import type { DhcpView } from "./site.ts";

/** One request and all that its answer depends on. */
export type Context = {
  request: DhcpRequest;
  view: DhcpView;
  nowMs: number;
  /** The networks that the machine may have an address of. */
  link: Link;
  /** Whose port it is; a reservation is by MAC alone, whatever client identifier comes with it. */
  node: ClusterNode | undefined;
};

/** What an address is to this client: its own, nobody's, or none of its business. */
export type Standing = "own" | "free" | "taken";

/** A REQUEST must name an address; the npm package `dhcp` does not, and can only mean the one it was offered. */
export function offeredAddress(context: Context): Ipv4 | undefined {
  return context.node?.ip ?? lastAddress(context);
}

/** Whether this client may have the address. */
export function standing(ip: Ipv4, context: Context): Standing {
  if (context.node !== undefined) return ip === context.node.ip ? "own" : "taken";
  return poolStanding(ip, context);
}

function poolStanding(ip: Ipv4, context: Context): Standing {
  const { request, view, nowMs, link } = context;
  const network = networkOf(ip, link);
  if (network === undefined || poolOf(ip, network) === undefined || !mayUse(ip, context)) return "taken";
  const holder = view.leases.holder(ip, nowMs);
  if (holder === undefined) return view.leases.get(ip)?.mac === request.mac ? "own" : "free";
  return holder.kind === "machine" && holder.mac === request.mac ? "own" : "taken";
}

/** A pool address that may be handed out at all: reserved for no node, and neither the head's nor a router's. */
function mayUse(ip: Ipv4, { link, view: { directory, site } }: Pick<Context, "link" | "view">): boolean {
  return ip !== site.address && link.every(({ router }) => ip !== router) && directory.byIp(ip) === undefined;
}

/**
 * RFC 2131 section 4.3.1: what it has or had, what it asks for, what is free; on a shared wire in one network after the
 * other.
 */
export function chooseAddress(context: Context): Ipv4 | undefined {
  const { request, view, nowMs, link } = context;
  for (const ip of [lastAddress(context), request.requestedIp]) {
    if (ip !== undefined && poolStanding(ip, context) !== "taken") return ip;
  }
  for (const network of link) {
    const free = view.leases.freeAddress(network, nowMs, (ip) => mayUse(ip, context));
    if (free !== undefined) return free;
  }
  return undefined;
}

function lastAddress({ request, view, nowMs, link: [{ wire }] }: Context): Ipv4 | undefined {
  const identity = request.packet.options.has(option.clientId.code) ? request.identity : undefined;
  return view.leases.lastAddress(wire, request.mac, identity, nowMs);
}

/**
 * Whether we know enough to refuse an address: the client is ours, or the address is. A server that is not authoritative
 * says nothing of the rest, which may be another's (RFC 2131 section 4.3.2).
 */
export function knows(asked: Ipv4, { request, view, link, node }: Context): boolean {
  return (
    node !== undefined ||
    view.leases.poolLeaseOf(link[0].wire, request.mac) !== undefined ||
    view.directory.byIp(asked) !== undefined ||
    view.site.networks.some((network) => poolOf(asked, network) !== undefined)
  );
}
