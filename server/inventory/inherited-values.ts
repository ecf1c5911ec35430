import { type LoaderKind, loaderKinds, parseLoaderKind } from "../model/arch.ts";
import type { Faults } from "./node-values.ts";

/** What a node or a group sets and others inherit. */
export type InheritedValues = { image?: string; loader?: LoaderKind };

/**
 * Reads `--image` and `--loader`: what they make of the values that were there before. An empty text takes a value away,
 * none leaves it as it was.
 */
export function readInherited(
  request: { image?: string; loader?: string },
  hasImage: (reference: string) => boolean,
  faults: Faults,
): (before: InheritedValues) => InheritedValues {
  const { image = "", loader = "" } = request;
  if (image !== "" && !hasImage(image))
    faults.add("--image", `there is no image ${image} (provision list-images)`);
  const kind = parseLoaderKind(loader);
  if (loader !== "" && kind === undefined)
    faults.add("--loader", `${JSON.stringify(loader)} is none of ${loaderKinds.join(", ")}`);
  return (before) => {
    const after = {
      image: request.image === undefined ? before.image : image || undefined,
      loader: request.loader === undefined ? before.loader : kind,
    };
    return {
      ...(after.image === undefined ? {} : { image: after.image }),
      ...(after.loader === undefined ? {} : { loader: after.loader }),
    };
  };
}
