import { AppError } from "../lib/errors.ts";
import type { Subject } from "../model/boot-event.ts";
import { type BootIdentity, nodeOfIdentity, subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ImageCatalog, ImageVersion } from "../model/image.ts";
import type { ClusterNode } from "../model/node.ts";
import type { Credentials } from "./credentials.ts";

export type BootOfParts = { directory: Directory; credentials: Credentials };

/**
 * The node of a machine, in the boot with this number. @throws AppError "not-found" for a stranger and for the number of an
 * earlier boot: its script is out of date.
 */
export function bootOf(
  { directory, credentials }: BootOfParts,
  machine: BootIdentity,
  nonce: string,
): { subject: Subject; node: ClusterNode } {
  const node = nodeOfIdentity(machine, directory);
  if (node === undefined)
    throw new AppError("not-found", `${machine.mac} is not in the inventory: add it as a node`);
  if (credentials.stateOfBoot(node, nonce) === "unknown") {
    throw new AppError("not-found", "this boot has been overtaken by another: fetch the boot script again");
  }
  return { subject: subjectOf(machine.mac, node), node };
}

/**
 * The image version for which a boot's script was written, `name@version`: another's kernel would not fit this one's
 * initrd, nor its root. @throws AppError "not-found" when it has been taken out of the store meanwhile
 */
export function imageOf(catalog: Pick<ImageCatalog, "find">, reference: string): ImageVersion {
  const image = catalog.find(reference);
  if (image !== undefined) return image;
  throw new AppError(
    "not-found",
    `the image ${reference}, with which this boot began, is no longer in the store: the next boot script is for another`,
  );
}

/** The node's own files in this boot. @throws AppError "forbidden" when their token has been spent. */
export async function overlayOf(
  parts: BootOfParts & { overlay: (node: ClusterNode, token: string) => Promise<Uint8Array> },
  node: ClusterNode,
  nonce: string,
): Promise<Uint8Array> {
  if (parts.credentials.stateOfBoot(node, nonce) === "spent") {
    throw new AppError("forbidden", "this boot's settings have been used: boot the machine again");
  }
  return await parts.overlay(node, parts.credentials.tokenOf(node, nonce));
}
