import type { Directory } from "../model/directory.ts";
import type { ImageCatalog, ImageVersion } from "../model/image.ts";
import { inherited } from "../model/inherited.ts";
import type { ClusterNode } from "../model/node.ts";

/** What a node boots. `image` is absent while the store has nothing under `reference`. */
export type BootPlan = {
  /** As it was asked for: `debian-13`, `debian-13@20261122-3f9a1c04`. */
  reference: string;
  /** Who says so: `node`, `group compute`, `site`. */
  from: string;
  image?: ImageVersion;
};

export function planBoot(
  node: ClusterNode,
  directory: Directory,
  catalog: Pick<ImageCatalog, "find">,
  fallback: string,
): BootPlan {
  const { value: reference, from } = inherited("image", node, directory, { image: fallback });
  const image = catalog.find(reference);
  return { reference, from, ...(image === undefined ? {} : { image }) };
}

export type KernelArgumentInput = {
  node: ClusterNode;
  image: ImageVersion;
  directory: Directory;
  /** Of every node, from the head's configuration. */
  siteArguments: readonly string[];
  /** `nfs4:10.0.1.1:/images/…:ro,vers=4.1` */
  rootArgument: string;
};

/**
 * A node's kernel command line, the general before the particular: the kernel takes the last of two that clash.
 * `nfs.nfs4_unique_id` is each node's own: NFSv4 servers take two clients of one identity for one that has rebooted, and
 * revoke its state (RFC 8881 section 2.4). `systemd.hostname` gives the initrd the node's name too.
 */
export function kernelArguments(input: KernelArgumentInput): string[] {
  const { node, image, directory } = input;
  return [
    `root=${input.rootArgument}`,
    ...image.kernelArguments,
    `nfs.nfs4_unique_id=${node.machineId}`,
    `systemd.hostname=${node.name}`,
    ...input.siteArguments,
    ...node.groups.toReversed().flatMap((name) => directory.group(name)?.kernelArguments ?? []),
    ...node.kernelArguments,
  ];
}
