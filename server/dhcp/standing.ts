import { type Ipv4, isHostOf, rangeContains } from "../lib/ipv4.ts";
import type { ClusterNode } from "../model/node.ts";
import type { DhcpRequest } from "./client.ts";
import type { DhcpView } from "./site.ts";

/** One request and all that its answer depends on. */
export type Context = {
  request: DhcpRequest;
  view: DhcpView;
  nowMs: number;
  /** Whose port it is; a reservation is by MAC alone, whatever client identifier comes with it. */
  node: ClusterNode | undefined;
};

/** What an address is to this client: its own, nobody's, or none of its business. */
export type Standing = "own" | "free" | "taken";

/** A REQUEST must name an address; the npm package `dhcp` does not, and can only mean the one it was offered. */
export function offeredAddress({ request, view, nowMs, node }: Context): Ipv4 | undefined {
  return node?.ip ?? view.leases.lastAddress(request.mac, request.identity, nowMs);
}

/** Whether this client may have the address. */
export function standing(ip: Ipv4, context: Context): Standing {
  if (context.node !== undefined) return ip === context.node.ip ? "own" : "taken";
  return poolStanding(ip, context);
}

function poolStanding(ip: Ipv4, { request, view, nowMs }: Omit<Context, "node">): Standing {
  if (!rangeContains(view.site.pool, ip) || !mayUse(ip, view)) return "taken";
  const holder = view.leases.holder(ip, nowMs);
  if (holder === undefined) return view.leases.get(ip)?.mac === request.mac ? "own" : "free";
  return holder.kind === "machine" && holder.mac === request.mac ? "own" : "taken";
}

/** A pool address that may be handed out at all: reserved for no node, and neither the head's nor the router's. */
function mayUse(ip: Ipv4, { directory, site }: DhcpView): boolean {
  return (
    ip !== site.address && ip !== site.router && isHostOf(site.subnet, ip) && directory.byIp(ip) === undefined
  );
}

/** RFC 2131 section 4.3.1: what it has or had, what it asks for, what is free. */
export function chooseAddress({ request, view, nowMs }: Context): Ipv4 | undefined {
  const own = view.leases.lastAddress(request.mac, request.identity, nowMs);
  for (const ip of [own, request.requestedIp]) {
    if (ip !== undefined && poolStanding(ip, { request, view, nowMs }) !== "taken") return ip;
  }
  return view.leases.freeAddress(nowMs, (ip) => mayUse(ip, view));
}
