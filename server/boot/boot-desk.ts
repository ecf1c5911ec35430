import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../lib/clock.ts";
import type { Mac } from "../lib/mac.ts";
import type { Record as RecordEvent } from "../model/boot-event.ts";
import { type BootIdentity, identityOf, nodeOfIdentity, subjectOf } from "../model/boot-identity.ts";
import type { Directory } from "../model/directory.ts";
import type { ImageCatalog, ImageVersion } from "../model/image.ts";
import type { ClusterNode } from "../model/node.ts";
import type { Templates } from "../template/engine.ts";
import type { Admission } from "./admission.ts";
import { type BootPlan, kernelArguments, planBoot } from "./boot-plan.ts";
import { type Asker, type Dialect, ipxeAsker, type ScriptAnswer, scriptView } from "./boot-script.ts";
import type { BootFile, BootUrls, IpFamily } from "./boot-urls.ts";
import type { Credentials } from "./credentials.ts";
import { ScriptCache } from "./script-cache.ts";

export type BootDeskParts = {
  directory: Directory;
  /** Whose machine has this port, by what else it said of itself when it asked for an address. */
  nodeSeenAt: (mac: Mac) => ClusterNode | undefined;
  catalog: ImageCatalog;
  credentials: Credentials;
  templates: Readonly<Record<Dialect, Templates>>;
  /** Of a family that the head has no address of: none asks by it. */
  urls: Readonly<{ ipv4: BootUrls; ipv6: BootUrls | undefined }>;
  record: RecordEvent;
  clock: Clock;
  /** The head's defaults. */
  image: string;
  kernelArguments: readonly string[];
  /** `nfs4:10.0.1.1:/var/lib/…/rootfs:ro,vers=4.1` */
  rootArgument: (image: ImageVersion) => string;
  admission: Admission;
  /** Milliseconds that never go back, for waiting. */
  elapsedMs: () => number;
};

/** Stands in a rendered script where a real boot would have its own number; of the same length, and nothing else's text. */
const placeholder = "0123456789abcdef".repeat(2) + "00000000";

/** Stands in a script that is only shown. */
const previewNumber = "0".repeat(placeholder.length);

/** Who boots what, whichever protocol asks. */
export class BootDesk {
  readonly #parts: BootDeskParts;
  readonly #scripts = new ScriptCache();
  /** What was looked up on the disk in this turn of the event loop: nobody who asked later is answered from it. */
  readonly #images = new Map<string, ImageVersion | undefined>();
  readonly #templates = new Map<string, (view: object) => string>();
  /** The last image of each reference, kept as the same object for as long as it is the same. */
  readonly #lastImages = new Map<string, ImageVersion>();

  constructor(parts: BootDeskParts) {
    this.#parts = parts;
  }

  /** One that waits in its loader asks by its port alone, whatever it was added by meanwhile. */
  #nodeOf(asked: BootIdentity): ClusterNode | undefined {
    const { directory, nodeSeenAt } = this.#parts;
    const node = nodeOfIdentity(asked, directory);
    const isKnown = node !== undefined || directory.byMac(asked.mac) !== undefined;
    return isKnown ? node : nodeSeenAt(asked.mac);
  }

  planOf(node: ClusterNode): BootPlan {
    return planBoot(node, this.#parts.directory, this.#parts.catalog, this.#parts.image);
  }

  argumentsOf(node: ClusterNode, image: ImageVersion): string[] {
    const { directory, kernelArguments: siteArguments, rootArgument } = this.#parts;
    return kernelArguments({ node, image, directory, siteArguments, rootArgument: rootArgument(image) });
  }

  /** Begins a boot of this machine, if it is its turn, and is its script. */
  beginBoot(asked: BootIdentity, asker: Asker = ipxeAsker): string {
    const { credentials, record, clock, admission, elapsedMs } = this.#parts;
    const node = this.#nodeOf(asked);
    if (node === undefined) return this.#tell({ kind: "wait", machine: asked }, asker);
    const machine = identityOf(asked.mac, node);
    const subject = subjectOf(machine.mac, node);
    const { reference, image } = this.#currentPlan(node);
    if (image === undefined) {
      const text = this.#tell({ kind: "no-image", machine, node, reference }, asker);
      const message = `the image ${reference} is not in the store`;
      record({ kind: "refused", ...subject, atMs: clock.nowMs(), step: "script", message });
      return text;
    }
    const turn = admission.ask(node.id, elapsedMs());
    if (turn.kind === "wait") {
      if (turn.joined) record({ kind: "waiting", ...subject, atMs: clock.nowMs(), before: turn.before });
      return this.#busy(machine, node, turn.before, asker);
    }
    const nonce = credentials.beginBoot(node, clock.nowMs());
    const { text, bytes } = this.#bootScript({ machine, node, image, nonce }, asker);
    record({ kind: "script", ...subject, atMs: clock.nowMs(), bytes, known: true });
    return text;
  }

  /** What a machine is told to do that cannot be served now for want of connections: wait, and ask again. Begins nothing. */
  putOff(asked: BootIdentity, asker: Asker): string {
    const { admission, elapsedMs } = this.#parts;
    const node = this.#nodeOf(asked);
    if (node === undefined) return this.#render({ kind: "wait", machine: asked }, asker);
    return this.#busy(asked, node, admission.counts(elapsedMs()).waiting, asker);
  }

  /**
   * What a GRUB runs that has just started: its machine's script, over and over. `machine` undefined: GRUB puts in its own
   * port's MAC.
   */
  grubConfig(machine: BootIdentity | undefined, { via, family }: Pick<Asker, "via" | "family">): string {
    const urls = this.#urls(family);
    const scriptPath = urls.grubScript(via, machine);
    return this.#parts.templates.grub.render("main.grub", { head: urls.base, scriptPath });
  }

  /** What this machine would be told. Begins nothing and takes no turn. */
  peek(asked: BootIdentity, asker: Asker = ipxeAsker): string {
    const node = this.#nodeOf(asked);
    if (node === undefined) return this.#render({ kind: "wait", machine: asked }, asker);
    const machine = identityOf(asked.mac, node);
    const { reference, image } = this.planOf(node);
    if (image === undefined) return this.#render({ kind: "no-image", machine, node, reference }, asker);
    return this.#bootScript({ machine, node, image, nonce: previewNumber }, asker).text;
  }

  /** The script as this node would be given it. */
  preview(node: ClusterNode, asker: Asker): string {
    const [mac] = node.macs;
    if (mac === undefined)
      return `# ${node.name} has no MAC address, so no machine is given a script as it\n`;
    return this.peek({ mac }, asker);
  }

  /** The node has taken a piece of kernel, initrd or overlay. */
  progress(node: ClusterNode): void {
    this.#parts.admission.progress(node.id, this.#parts.elapsedMs());
  }

  /** The node begins to take a file. */
  begins(node: ClusterNode, file: BootFile): void {
    this.progress(node);
    if (file === "initrd") this.#parts.admission.initrd(node.id, false);
  }

  /** The node has all of a file. */
  loaded(node: ClusterNode, file: BootFile): void {
    if (file === "initrd") this.#parts.admission.initrd(node.id, true);
    if (file === "overlay") this.#parts.admission.done(node.id);
  }

  /** Machines that load before this one may; undefined when it is not waiting for its turn. */
  placeOf(node: ClusterNode): number | undefined {
    return this.#parts.admission.placeOf(node.id, this.#parts.elapsedMs());
  }

  counters(): { loading: number; waiting: number } {
    return this.#parts.admission.counts(this.#parts.elapsedMs());
  }

  /** The further back, the longer between two questions: 1,000 machines ask some 100 times a second. */
  #busy(machine: BootIdentity, node: ClusterNode, before: number, asker: Asker): string {
    const seconds = Math.min(10, 2 + Math.floor(before / 50));
    return this.#render({ kind: "busy", machine, node, before, seconds }, asker);
  }

  #bootScript(
    { machine, node, image, nonce }: Omit<Extract<ScriptAnswer, { kind: "boot" }>, "kind" | "arguments">,
    asker: Asker,
  ): { text: string; bytes: number } {
    const { directory } = this.#parts;
    const source = {
      node,
      image,
      groups: node.groups.map((name) => directory.group(name)),
      template: this.#template("boot", asker.dialect),
    };
    const key = `${asker.dialect} ${asker.via} ${asker.family} ${machine.mac} ${machine.name ?? ""}`;
    return this.#scripts.script(key, source, { text: nonce, placeholder }, () =>
      this.#render(
        { kind: "boot", machine, node, image, nonce: placeholder, arguments: this.argumentsOf(node, image) },
        asker,
      ),
    );
  }

  #tell(answer: Extract<ScriptAnswer, { kind: "wait" | "no-image" }>, asker: Asker): string {
    const text = this.#render(answer, asker);
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

  #render(answer: ScriptAnswer, asker: Asker): string {
    return this.#template(answer.kind, asker.dialect)(scriptView(answer, asker, this.#urls(asker.family)));
  }

  #urls(family: IpFamily): BootUrls {
    const { urls } = this.#parts;
    return urls[family] ?? urls.ipv4;
  }

  #currentPlan(node: ClusterNode): BootPlan {
    const find = (reference: string): ImageVersion | undefined => {
      if (!this.#images.has(reference)) {
        this.#forgetNextTurn();
        this.#images.set(reference, this.#sameImage(reference));
      }
      return this.#images.get(reference);
    };
    return planBoot(node, this.#parts.directory, { find }, this.#parts.image);
  }

  #sameImage(reference: string): ImageVersion | undefined {
    const found = this.#parts.catalog.find(reference);
    const last = this.#lastImages.get(reference);
    if (found === undefined) this.#lastImages.delete(reference);
    else if (!isDeepStrictEqual(found, last)) this.#lastImages.set(reference, found);
    return this.#lastImages.get(reference);
  }

  #template(kind: ScriptAnswer["kind"], dialect: Dialect): (view: object) => string {
    const name = `${kind}.${dialect}`;
    let run = this.#templates.get(name);
    if (run === undefined) {
      this.#forgetNextTurn();
      run = this.#parts.templates[dialect].compiled(name);
      this.#templates.set(name, run);
    }
    return run;
  }

  #forgetNextTurn(): void {
    if (this.#images.size + this.#templates.size > 0) return;
    setImmediate(() => {
      this.#images.clear();
      this.#templates.clear();
    });
  }
}
