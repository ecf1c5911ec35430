import { formatSubnet, type Ipv4 } from "../lib/ipv4.ts";
import type { Directory } from "../model/directory.ts";
import { type Network, networkOf } from "../model/network.ts";
import type { ClusterNode, DhcpOption } from "../model/node.ts";
import { option, readOption } from "./option-table.ts";
import { noAddress } from "./packet.ts";
import type { DhcpSite } from "./site.ts";

/** An option that is set, and by whom: `node`, `group compute`, `network 10.0.2.0/24`, `site`. */
export type Setting = { value: Uint8Array; from: string };

/** What is set for a client, by code. */
export type Settings = ReadonlyMap<number, Setting>;

const nothing: Settings = new Map();

/** What is set for this node, or for a machine that is none: the node before its groups, the first of them before the next, then the network, then the site. */
export function settingsOf(
  node: ClusterNode | undefined,
  network: Network,
  site: Pick<DhcpSite, "options">,
  directory: Pick<Directory, "group">,
): Settings {
  let settings: Map<number, Setting> | undefined;
  const layer = (options: readonly DhcpOption[] | undefined, from: () => string): void => {
    if (options === undefined || options.length === 0) return;
    settings ??= new Map();
    for (const { code, value } of options) {
      if (!settings.has(code)) settings.set(code, { value, from: from() });
    }
  };
  if (node !== undefined) {
    layer(node.options, () => "node");
    for (const name of node.groups) layer(directory.group(name)?.options, () => `group ${name}`);
  }
  layer(network.options, () => `network ${formatSubnet(network.subnet)}`);
  layer(site.options, () => "site");
  return settings ?? nothing;
}

/** The name servers a node is told by DHCP, for the files that tell it the same. */
export function nameServersOf(
  node: ClusterNode,
  site: Pick<DhcpSite, "networks" | "options">,
  directory: Pick<Directory, "group">,
): readonly Ipv4[] {
  const network = networkOf(node.ip, site.networks);
  if (network === undefined) return [];
  const set = settingsOf(node, network, site, directory).get(option.dns.code);
  return set === undefined ? network.dns : option.dns.value.decode(set.value);
}

/** The reply's options with those that are set in their place. What makes no sense beside the rest is left as it was. */
export function withSettings(
  options: ReadonlyMap<number, Uint8Array>,
  settings: Settings,
): ReadonlyMap<number, Uint8Array> {
  if (settings === nothing) return options;
  const merged = new Map(options);
  for (const [code, { value }] of settings) merged.set(code, value);
  keepTimesInOrder(merged, options);
  repeatRouter(merged);
  return merged;
}

/** RFC 2131 section 4.4.5: renewal before rebinding, and both within the lease. An answer to INFORM has none of the three. */
function keepTimesInOrder(merged: Map<number, Uint8Array>, before: ReadonlyMap<number, Uint8Array>): void {
  const times = [option.renewSeconds, option.rebindSeconds];
  const [renew = 0, rebind = 0, lease = 0] = [...times, option.leaseSeconds].map(
    (row) => readOption(merged, row) ?? 0,
  );
  if (renew > 0 && renew < rebind && rebind < lease) return;
  for (const { code } of times) {
    const value = before.get(code);
    if (value === undefined) merged.delete(code);
    else merged.set(code, value);
  }
}

/** A client that takes classless routes takes no router beside them: the default route goes in there too (RFC 3442). */
function repeatRouter(merged: Map<number, Uint8Array>): void {
  const routes = readOption(merged, option.classlessRoutes);
  const router = readOption(merged, option.routers)?.[0];
  if (routes === undefined || router === undefined || routes.some(({ bits }) => bits === 0)) return;
  merged.set(
    option.classlessRoutes.code,
    option.classlessRoutes.value.encode([{ base: noAddress, bits: 0, router }, ...routes]),
  );
}
