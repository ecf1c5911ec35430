import type { Fault } from "../lib/errors.ts";
import { type ClusterNode, isNodeName } from "../model/node.ts";
import type { Templates } from "../template/engine.ts";
import type { NodeView } from "./view.ts";

type Kept = { run: unknown; nodes: readonly ClusterNode[]; head: string; content: Uint8Array };

/**
 * What every node gets alike: files that name all of them. With 10,000 nodes such a file takes longer to make than all else
 * of a boot, so it is kept until the inventory or its template is another.
 */
export class ClusterFiles {
  readonly #kept = new Map<string, Kept>();
  #checked: { nodes: readonly ClusterNode[]; faults: readonly Fault[] } | undefined;

  /** What would make such a file say something else than it should. */
  faults(nodes: readonly ClusterNode[]): readonly Fault[] {
    if (this.#checked?.nodes !== nodes) this.#checked = { nodes, faults: faultsOf(nodes) };
    return this.#checked.faults;
  }

  /** `nodes` is what the view's `nodes` are made of. */
  content(templates: Templates, template: string, view: NodeView, nodes: readonly ClusterNode[]): Uint8Array {
    const run = templates.compiled(template);
    const head = JSON.stringify([view.head, view.domain]);
    const kept = this.#kept.get(template);
    if (kept?.run === run && kept.nodes === nodes && kept.head === head) return kept.content;
    // Nothing of a single node's is in sight: the next node is given the same file.
    const { domain } = view;
    const content = Buffer.from(run({ head: view.head, domain, nodes: view.nodes }));
    this.#kept.set(template, { run, nodes, head, content });
    return content;
  }
}

function faultsOf(nodes: readonly ClusterNode[]): Fault[] {
  const faults: Fault[] = [];
  for (const { name, sshPublicKey } of nodes) {
    if (!isNodeName(name)) faults.push({ place: "nodes", message: `no host name: ${name}` });
    if (!isPublicKey(sshPublicKey))
      faults.push({ place: `${name}.sshPublicKey`, message: "no OpenSSH public key" });
  }
  return faults;
}

function isPublicKey(text: string): boolean {
  return /^ssh-ed25519 [A-Za-z0-9+/]+=*(?: [^\n]*)?\n?$/.test(text);
}
