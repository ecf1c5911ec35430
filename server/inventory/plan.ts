import { AppError } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import { type Mac, parseMac } from "../lib/mac.ts";
import type { AddNodesRequest, SetNodesRequest } from "../model/answers.ts";
import type { Directory } from "../model/directory.ts";
import { nodesOfRange } from "../model/node-lookup.ts";
import { expandNewNames } from "../model/node-range.ts";
import { type ClusterNode, type DiscoveredMachine, isNodeName, type SshHostKey } from "../model/node.ts";
import type { NewNode } from "./node-store.ts";
import { spreadIdentities } from "./identity-values.ts";
import { readInherited } from "./inherited-values.ts";
import { readOptions } from "./option-values.ts";
import { checkUnique } from "./unique.ts";
import {
  checkIps,
  checkKernelArguments,
  Faults,
  freeIps,
  type Site,
  spreadIps,
  spreadMacs,
} from "./node-values.ts";

/** What a change is checked against. */
export type PlanView = {
  directory: Directory;
  site: Site;
  /** True when the image store has the image, by `name` or `name@version`. */
  hasImage: (reference: string) => boolean;
  /** In the order first seen. */
  discovered: readonly DiscoveredMachine[];
  nowMs: number;
  makeMachineId: () => string;
  makeSshHostKey: () => SshHostKey;
};

/** The nodes a request adds. @throws AppError("invalid") with every fault of the request. */
export function planAdd(request: AddNodesRequest, view: PlanView): NewNode[] {
  const names = expandNewNames(request.range);
  const faults = new Faults();
  if (names.length === 0) faults.add("name", `${request.range} names no node`);
  const columns = (request.macs ?? []).map((text) => spreadMacs("--mac", text, names, faults));
  const seen = discoveredPorts(request, names, view, faults);
  const ips = addressesOf(request, names, seen, view, faults);
  const identities = spreadIdentities(request, names, faults);
  const options = readOptions(request.options, faults) ?? [];
  const inherit = readInherited(request, view.hasImage, faults);
  checkSettings(request, view, faults);

  const nodes = names.map((name, index) => ({
    name,
    macs: [...columns.map((column) => column?.[index]), seen?.[index]].filter((mac) => mac !== undefined),
    ...identities[index]?.({}),
    ip: ips?.[index] ?? ("" as Ipv4),
    groups: [...new Set(request.groups)],
    ...inherit({}),
    kernelArguments: request.kernelArguments ?? [],
    ...(options.length === 0 ? {} : { options }),
    machineId: view.makeMachineId(),
    sshHostKey: view.makeSshHostKey(),
    addedAtMs: view.nowMs,
  }));
  if (ips !== undefined) checkUnique(nodes, view.directory, new Set(), faults);
  faults.check(`cannot add ${request.range}`);
  return nodes;
}

/** The addresses told; else what the machines have of another DHCP server; else, where the head gives them, free ones. */
function addressesOf(
  request: AddNodesRequest,
  names: readonly string[],
  ports: readonly Mac[] | undefined,
  { site, directory, discovered }: PlanView,
  faults: Faults,
): readonly Ipv4[] | undefined {
  if (request.ip !== undefined) {
    const told = spreadIps("--ip", request.ip, names, faults);
    checkIps("--ip", told ?? [], site, faults);
    return told;
  }
  const near = seenAt(names, ports, discovered);
  if (site.dhcp.mode === "server") {
    return freeIps(near, site, (ip) => directory.byIp(ip) !== undefined, faults);
  }
  const have = near.filter((ip) => ip !== undefined);
  if (have.length === names.length) {
    checkIps("--ip", have, site, faults);
    return have;
  }
  faults.add("--ip", "is needed: another DHCP server gives out the addresses, so say which it gives");
  return undefined;
}

/** The address with which each node's machine was seen, where it is one of the machines seen. */
function seenAt(
  names: readonly string[],
  ports: readonly Mac[] | undefined,
  discovered: readonly DiscoveredMachine[],
): (Ipv4 | undefined)[] {
  const ips = new Map(discovered.map((machine) => [machine.mac, machine.ip]));
  return names.map((_, index) => ips.get(ports?.[index] ?? ("" as Mac)));
}

/** One discovered machine a node, by the MACs named or in the order seen. */
function discoveredPorts(
  request: AddNodesRequest,
  names: readonly string[],
  view: PlanView,
  faults: Faults,
): Mac[] | undefined {
  const wanted = request.fromDiscovered;
  if (wanted === undefined) return undefined;
  const place = "--from-discovered";
  const unknown = view.discovered.filter((machine) => view.directory.byMac(machine.mac) === undefined);
  if (wanted === true) {
    if (unknown.length < names.length) {
      faults.add(
        place,
        `${unknown.length} unknown machine${unknown.length === 1 ? " was" : "s were"} seen, ${names.length} needed`,
      );
    } else if (names.length === 1 && unknown.length > 1) {
      faults.add(
        place,
        `${unknown.length} unknown machines were seen, name one: ${unknown.map((machine) => machine.mac).join(", ")}`,
      );
    }
    return unknown.slice(0, names.length).map((machine) => machine.mac);
  }
  if (wanted.length !== names.length)
    faults.add(place, `${wanted.length} machines for ${names.length} nodes`);
  return wanted.flatMap((text) => {
    const mac = parseMac(text);
    if (mac !== undefined && unknown.some((machine) => machine.mac === mac)) return [mac];
    const owner = mac === undefined ? undefined : view.directory.byMac(mac);
    faults.add(
      place,
      owner === undefined ? `no unknown machine ${text} was seen` : `${text} is ${owner.name}'s already`,
    );
    return [];
  });
}

function checkSettings(
  request: Pick<AddNodesRequest, "groups" | "kernelArguments">,
  view: PlanView,
  faults: Faults,
): void {
  for (const group of request.groups ?? []) {
    if (view.directory.group(group) === undefined) {
      const known = view.directory.groups().map((item) => item.name);
      faults.add(
        "--group",
        `there is no group ${group}; there ${known.length === 1 ? "is" : "are"} ${known.join(", ") || "none"} (provision add-group ${group})`,
      );
    }
  }
  checkKernelArguments(request.kernelArguments ?? [], faults);
}

/** The nodes of a request's range as they will be, changed or not. @throws AppError */
export function planSet(
  request: SetNodesRequest,
  view: PlanView,
): { before: ClusterNode; after: ClusterNode }[] {
  const nodes = nodesOfRange(request.range, view.directory);
  const names = nodes.map((node) => node.name);
  const faults = new Faults();
  if (Object.keys(request).every((key) => key === "range" || key === "dryRun")) {
    throw new AppError("invalid", "nothing to set", { hint: "provision set-node --help" });
  }
  const replaced = request.macs?.map((text) => spreadMacs("--mac", text, names, faults));
  const added = (request.addMacs ?? []).map((text) => spreadMacs("--add-mac", text, names, faults));
  const ips = request.ip === undefined ? undefined : spreadIps("--ip", request.ip, names, faults);
  checkIps("--ip", ips ?? [], view.site, faults);
  const identities = spreadIdentities(request, names, faults);
  const newOptions = readOptions(request.options, faults);
  const inherit = readInherited(request, view.hasImage, faults);
  checkSettings(request, view, faults);
  checkRename(request, names, faults);

  const planned = nodes.map((before, index) => {
    const ports = (columns: readonly (readonly Mac[] | undefined)[]): Mac[] =>
      columns.flatMap((column) => column?.[index] ?? []);
    const {
      image: _image,
      loader: _loader,
      options: oldOptions = [],
      uuid: _uuid,
      clientIds: _clientIds,
      relayPort: _relayPort,
      ...rest
    } = before;
    const options = newOptions ?? oldOptions;
    const after: ClusterNode = {
      ...rest,
      name: request.rename ?? before.name,
      macs: [...new Set([...(replaced === undefined ? before.macs : ports(replaced)), ...ports(added)])],
      ip: ips?.[index] ?? before.ip,
      groups: request.groups === undefined ? before.groups : [...new Set(request.groups)],
      ...inherit(before),
      kernelArguments: request.kernelArguments ?? before.kernelArguments,
      ...(options.length === 0 ? {} : { options }),
      ...identities[index]?.(before),
    };
    return { before, after };
  });
  const moved = planned.filter(
    ({ before, after }) =>
      before.name !== after.name || before.ip !== after.ip || before.macs.join() !== after.macs.join(),
  );
  checkUnique(
    moved.map((pair) => pair.after),
    view.directory,
    new Set(moved.map(({ before }) => before.id)),
    faults,
  );
  faults.check(`cannot set ${request.range}`);
  return planned;
}

function checkRename(request: SetNodesRequest, names: readonly string[], faults: Faults): void {
  if (request.rename === undefined) return;
  if (names.length !== 1) faults.add("--rename", `${names.length} nodes cannot have one name`);
  if (!isNodeName(request.rename))
    faults.add(
      "--rename",
      `${JSON.stringify(request.rename)} is no host name: lower-case letters, digits, inner hyphens`,
    );
}
