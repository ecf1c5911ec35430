import { AppError } from "../lib/errors.ts";
import type {
  AddNodesRequest,
  ChangeAnswer,
  RemoveNodesRequest,
  SetGroupRequest,
  SetNodesRequest,
} from "../model/answers.ts";
import { nodesOfRange } from "../model/node-lookup.ts";
import { foldNames } from "../model/node-range.ts";
import { type ClusterNode, type Group, isNodeName } from "../model/node.ts";
import { optionText } from "../dhcp/option-text.ts";
import { clientIdText, relayPortText } from "../model/machine-identity.ts";
import type { LiveDirectory } from "./live-directory.ts";
import { checkKernelArguments, checkIps, Faults } from "./node-values.ts";
import { identifiersOf } from "./identity-values.ts";
import { readInherited } from "./inherited-values.ts";
import { readOptions } from "./option-values.ts";
import type { NodeStore, Settings } from "./node-store.ts";
import { planAdd, planSet, type PlanView } from "./plan.ts";

export type InventoryParts = {
  store: NodeStore;
  directory: LiveDirectory;
  /** Everything a change is checked against, as it is now. */
  view: () => PlanView;
  isUp: (node: ClusterNode) => boolean;
};

/**
 * The only writer of nodes and groups. Every change is checked as a whole, is on the disk before the directory shows
 * it, and runs after the one before: two commands at once cannot take the same address.
 */
export class Inventory {
  readonly #parts: InventoryParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: InventoryParts) {
    this.#parts = parts;
  }

  /** Fills the directory from the database. @throws AppError("invalid") when the site no longer fits its nodes. */
  async load(): Promise<void> {
    const { nodes, groups } = await this.#parts.store.load();
    this.#parts.directory.apply(nodes);
    this.#parts.directory.applyGroups(groups);
    const faults = new Faults();
    const { site } = this.#parts.view();
    for (const node of nodes) checkIps(`pool, address or subnet: node ${node.name}`, [node.ip], site, faults);
    faults.check("the configuration does not fit the nodes of the inventory");
  }

  addNodes(request: AddNodesRequest): Promise<ChangeAnswer> {
    return this.#inTurn(async () => {
      const nodes = planAdd(request, this.#parts.view());
      if (request.dryRun !== true)
        this.#parts.directory.apply(await this.#parts.store.apply({ added: nodes }));
      return answer(
        request.dryRun,
        nodes.map((node) => node.name),
        [],
        nodes.map((node) => `${node.name}: added, ${settingsOf(node)}`),
      );
    });
  }

  setNodes(request: SetNodesRequest): Promise<ChangeAnswer> {
    return this.#inTurn(async () => {
      const planned = planSet(request, this.#parts.view()).map((pair) => ({
        ...pair,
        lines: differences(pair.before, pair.after),
      }));
      const changed = planned.filter((pair) => pair.lines.length > 0);
      if (request.dryRun !== true && changed.length > 0) {
        await this.#parts.store.apply({ updated: changed });
        this.#parts.directory.apply(changed.map((pair) => pair.after));
      }
      const unchanged = planned.filter((pair) => pair.lines.length === 0).map((pair) => pair.before.name);
      return answer(
        request.dryRun,
        changed.map((pair) => pair.before.name),
        unchanged,
        changed.flatMap((pair) => pair.lines),
      );
    });
  }

  removeNodes(request: RemoveNodesRequest): Promise<ChangeAnswer> {
    return this.#inTurn(async () => {
      const nodes = nodesOfRange(request.range, this.#parts.directory);
      const kept = new Set(request.force === true ? [] : nodes.filter((node) => this.#parts.isUp(node)));
      const removed = nodes.filter((node) => !kept.has(node));
      const removedIds = removed.map((node) => node.id);
      if (request.dryRun !== true && removed.length > 0) {
        await this.#parts.store.apply({ removedIds });
        this.#parts.directory.apply([], removedIds);
      }
      const failed = [...kept].map((node) => ({
        name: node.name,
        message: "is up: shut it down first, or use --force",
      }));
      const done = answer(
        request.dryRun,
        removed.map((node) => node.name),
        [],
        removed.map((node) => `${node.name}: removed, had ${settingsOf(node)}`),
      );
      return { ...done, failed };
    });
  }

  addGroup(request: SetGroupRequest): Promise<ChangeAnswer> {
    return this.#inTurn(async () => {
      const faults = new Faults();
      if (!isNodeName(request.name) || request.name === "all")
        faults.add(
          "name",
          `${JSON.stringify(request.name)} is no name for a group: lower-case letters, digits, inner hyphens, not "all"`,
        );
      faults.check("cannot add the group");
      if (this.#parts.directory.group(request.name) !== undefined)
        throw new AppError("conflict", `there is a group ${request.name} already`, {
          hint: `provision set-group ${request.name}`,
        });
      return this.#saveGroup(request, { name: request.name, kernelArguments: [] }, "added");
    });
  }

  setGroup(request: SetGroupRequest): Promise<ChangeAnswer> {
    return this.#inTurn(() => this.#saveGroup(request, this.#groupNamed(request.name), "set"));
  }

  removeGroup(request: { name: string; dryRun?: boolean }): Promise<ChangeAnswer> {
    return this.#inTurn(async () => {
      const group = this.#groupNamed(request.name);
      const members = this.#parts.directory.nodes().filter((node) => node.groups.includes(group.name));
      if (members.length > 0) {
        throw new AppError(
          "conflict",
          `the group ${group.name} still has ${foldNames(members.map((node) => node.name))}`,
          { hint: `provision set-node @${group.name} --group …` },
        );
      }
      if (request.dryRun !== true) {
        await this.#parts.store.apply({ removedGroup: group.name });
        this.#parts.directory.applyGroups([], group.name);
      }
      return answer(request.dryRun, [group.name], [], [`group ${group.name}: removed`]);
    });
  }

  async #saveGroup(request: SetGroupRequest, before: Group, verb: string): Promise<ChangeAnswer> {
    const faults = new Faults();
    const inherit = readInherited(request, this.#parts.view().hasImage, faults);
    checkKernelArguments(request.kernelArguments ?? [], faults);
    const options = readOptions(request.options, faults) ?? before.options ?? [];
    faults.check(`cannot set the group ${request.name}`);
    const after: Group = {
      name: before.name,
      ...inherit(before),
      kernelArguments: request.kernelArguments ?? before.kernelArguments,
      ...(options.length === 0 ? {} : { options }),
    };
    if (request.dryRun !== true) {
      await this.#parts.store.apply({ savedGroups: [after] });
      this.#parts.directory.applyGroups([after]);
    }
    return answer(
      request.dryRun,
      [after.name],
      [],
      [
        [
          `group ${after.name}: ${verb}`,
          ...(after.image === undefined ? [] : [`image ${after.image}`]),
          ...(after.loader === undefined ? [] : [`loader ${after.loader}`]),
          ...(after.kernelArguments.length === 0
            ? []
            : [`kernel arguments ${after.kernelArguments.join(" ")}`]),
          ...options.map((option) => `option ${optionText(option)}`),
        ].join(", "),
      ],
    );
  }

  #groupNamed(name: string): Group {
    const group = this.#parts.directory.group(name);
    if (group !== undefined) return group;
    throw new AppError("not-found", `there is no group ${name}`, { hint: "provision list-groups" });
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change, change);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function answer(
  dryRun: boolean | undefined,
  changed: readonly string[],
  unchanged: readonly string[],
  lines: readonly string[],
): ChangeAnswer {
  return { dryRun: dryRun === true, changed, unchanged, failed: [], lines };
}

function settingsOf(node: Settings): string {
  const identifiers = identifiersOf(node).map(({ kind, value }) => `${kind} ${value}`);
  const noPort = identifiers.length === 0 ? ["no MAC yet"] : [];
  const parts = [node.ip, ...(node.macs.length === 0 ? noPort : [node.macs.join(" ")]), ...identifiers];
  if (node.groups.length > 0) parts.push(node.groups.map((group) => `@${group}`).join(" "));
  if (node.image !== undefined) parts.push(`image ${node.image}`);
  if (node.loader !== undefined) parts.push(`loader ${node.loader}`);
  parts.push(...(node.options ?? []).map((option) => `option ${optionText(option)}`));
  return parts.join(", ");
}

function differences(before: ClusterNode, after: ClusterNode): string[] {
  const shown = (node: ClusterNode): Record<string, string> => ({
    name: node.name,
    ip: node.ip,
    mac: node.macs.join(" ") || "none",
    uuid: node.uuid ?? "none",
    "client identifier": (node.clientIds ?? []).map(clientIdText).join(" ") || "none",
    "relay port": node.relayPort === undefined ? "none" : relayPortText(node.relayPort),
    group: node.groups.join(" ") || "none",
    image: node.image ?? "none",
    loader: node.loader ?? "none",
    "kernel arguments": node.kernelArguments.join(" ") || "none",
    options: (node.options ?? []).map(optionText).join(" ") || "none",
  });
  const old = shown(before);
  return Object.entries(shown(after)).flatMap(([key, value]) =>
    old[key] === value ? [] : [`${before.name}: ${key} ${old[key]} -> ${value}`],
  );
}
