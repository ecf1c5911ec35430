import type { Directory } from "./directory.ts";
import { expandRange } from "./node-range.ts";
import type { ClusterNode } from "./node.ts";

/** The nodes a range stands for in the inventory, in the range's order. @throws AppError "invalid" or "not-found" */
export function nodesOfRange(range: string, directory: Directory): ClusterNode[] {
  const names = expandRange(range, {
    hasNode: (name) => directory.byName(name) !== undefined,
    group: (name) =>
      directory.group(name) === undefined
        ? undefined
        : directory
            .nodes()
            .filter((node) => node.groups.includes(name))
            .map((node) => node.name),
    all: () => directory.nodes().map((node) => node.name),
    groupNames: () => directory.groups().map((group) => group.name),
  });
  return names.flatMap((name) => directory.byName(name) ?? []);
}
