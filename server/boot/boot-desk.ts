import type { Clock } from "../lib/clock.ts";
import type { Record as RecordEvent } from "../model/boot-event.ts";
import { type BootIdentity, identityOf, nodeOfIdentity, subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ImageCatalog, ImageVersion } from "../model/image.ts";
import type { ClusterNode } from "../model/node.ts";
import type { Templates } from "../template/engine.ts";
import { type BootPlan, kernelArguments, planBoot } from "./boot-plan.ts";
import { type ScriptAnswer, scriptView } from "./boot-script.ts";
import type { BootUrls } from "./boot-urls.ts";
import type { Credentials } from "./credentials.ts";

export type BootDeskParts = {
  directory: Directory;
  catalog: ImageCatalog;
  credentials: Credentials;
  templates: Templates;
  urls: BootUrls;
  record: RecordEvent;
  clock: Clock;
  /** The head's defaults. */
  image: string;
  kernelArguments: readonly string[];
  /** `nfs4:10.0.1.1:/var/lib/…/rootfs:ro,vers=4.1` */
  rootArgument: (image: ImageVersion) => string;
};

/** Stands in a rendered script where a real boot would have its own number. */
const previewNonce = "0000000000000000";

/** Who boots what, whichever protocol asks. */
export class BootDesk {
  readonly #parts: BootDeskParts;

  constructor(parts: BootDeskParts) {
    this.#parts = parts;
  }

  planOf(node: ClusterNode): BootPlan {
    return planBoot(node, this.#parts.directory, this.#parts.catalog, this.#parts.image);
  }

  argumentsOf(node: ClusterNode, image: ImageVersion): string[] {
    const { directory, kernelArguments: siteArguments, rootArgument } = this.#parts;
    return kernelArguments({ node, image, directory, siteArguments, rootArgument: rootArgument(image) });
  }

  /** Begins a boot of this machine, and is its script. */
  async beginBoot(asked: BootIdentity): Promise<string> {
    const { directory, credentials, record, clock } = this.#parts;
    const node = nodeOfIdentity(asked, directory);
    if (node === undefined) return this.#tell({ kind: "wait", machine: asked });
    const machine = identityOf(asked.mac, node);
    const { reference, image } = this.planOf(node);
    if (image === undefined) {
      const text = this.#tell({ kind: "no-image", machine, node, reference });
      record({
        kind: "refused",
        ...subjectOf(machine.mac, node),
        atMs: clock.nowMs(),
        step: "script",
        message: `the image ${reference} is not in the store`,
      });
      return text;
    }
    const nonce = await credentials.beginBoot(node);
    return this.#tell({
      kind: "boot",
      machine,
      node,
      image,
      nonce,
      arguments: this.argumentsOf(node, image),
    });
  }

  /** The script as this node would be given it. Begins nothing. */
  preview(node: ClusterNode): string {
    const [mac] = node.macs;
    const { reference, image } = this.planOf(node);
    if (mac === undefined)
      return `# ${node.name} has no MAC address, so no machine is given a script as it\n`;
    const machine = { mac };
    return this.#render(
      image === undefined
        ? { kind: "no-image", machine, node, reference }
        : {
            kind: "boot",
            machine,
            node,
            image,
            nonce: previewNonce,
            arguments: this.argumentsOf(node, image),
          },
    );
  }

  #tell(answer: ScriptAnswer): string {
    const text = this.#render(answer);
    const { record, clock } = this.#parts;
    record({
      kind: "script",
      ...subjectOf(answer.machine.mac, answer.kind === "wait" ? undefined : answer.node),
      atMs: clock.nowMs(),
      bytes: Buffer.byteLength(text),
      known: answer.kind !== "wait",
    });
    return text;
  }

  #render(answer: ScriptAnswer): string {
    const { template, view } = scriptView(answer, this.#parts.urls);
    return this.#parts.templates.render(template, view);
  }
}
