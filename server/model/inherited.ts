import type { LoaderKind } from "./arch.ts";
import type { ClusterNode, Group } from "./node.ts";

/** A setting as it is in force, and whose it is: `node`, `group compute`, `site`. */
export type Inherited<T> = { value: T; from: string };

/** What is inherited whole: the nearest that sets it wins. */
type Inheritable = { image: string; loader: LoaderKind };

/**
 * A node's own setting, else that of the first of its groups that has one, else the site's. `node` undefined: a machine that
 * is none has the site's.
 */
export function inherited<Key extends keyof Inheritable>(
  key: Key,
  node: ClusterNode | undefined,
  directory: { group: (name: string) => Group | undefined },
  site: Readonly<Pick<Inheritable, Key>>,
): Inherited<Inheritable[Key]> {
  const setBy = (layer: Partial<Inheritable> | undefined): Inheritable[Key] | undefined => layer?.[key];
  const own = setBy(node);
  if (own !== undefined) return { value: own, from: "node" };
  for (const name of node?.groups ?? []) {
    const value = setBy(directory.group(name));
    if (value !== undefined) return { value, from: `group ${name}` };
  }
  return { value: site[key], from: "site" };
}
