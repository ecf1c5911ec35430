import type { ImageVersion } from "../model/image.ts";
import type { ClusterNode, Group } from "../model/node.ts";

/** All that a node's boot script is made of, but for the boot's number. What changes is another object. */
export type ScriptSource = {
  node: ClusterNode;
  image: ImageVersion;
  groups: readonly (Group | undefined)[];
  /** The compiled template. */
  template: unknown;
};

type Kept = { source: ScriptSource; pieces: readonly string[]; bytes: number };

/** Some 20 MB of scripts. */
const keptScripts = 8192;

/**
 * Rendered scripts, in pieces between which the boot's number goes. A script is kept for as long as it would come out
 * the same: its node, groups, image and template are the very objects that it was rendered from.
 */
export class ScriptCache {
  /** In the order of making. */
  readonly #kept = new Map<string, Kept>();

  /**
   * `key` is the machine; `render` gives the script with `placeholder`, of a number's length and found nowhere else, where
   * the number goes.
   */
  script(
    key: string,
    source: ScriptSource,
    number: { text: string; placeholder: string },
    render: () => string,
  ): { text: string; bytes: number } {
    let kept = this.#kept.get(key);
    if (kept === undefined || !isSame(kept.source, source)) {
      const text = render();
      kept = { source, pieces: text.split(number.placeholder), bytes: Buffer.byteLength(text) };
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      const [oldest] = this.#kept.keys();
      if (this.#kept.size > keptScripts && oldest !== undefined) this.#kept.delete(oldest);
    }
    return { text: kept.pieces.join(number.text), bytes: kept.bytes };
  }
}

function isSame(left: ScriptSource, right: ScriptSource): boolean {
  return (
    left.node === right.node &&
    left.image === right.image &&
    left.template === right.template &&
    left.groups.length === right.groups.length &&
    left.groups.every((group, index) => group === right.groups[index])
  );
}
