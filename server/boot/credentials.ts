import { createHash, randomBytes } from "node:crypto";
import type { NodeSecret } from "../model/node-secret.ts";
import type { ClusterNode } from "../model/node.ts";
import { bootNumber, bootToken, equal, isGenuine, readToken, sequenceOf } from "./boot-number.ts";
import { KeyedDigest } from "./keyed-digest.ts";

export type SecretStore = {
  load: () => Promise<NodeSecret[]>;
  /** One commit; a node that is no longer there is passed over. */
  save: (secrets: readonly NodeSecret[]) => Promise<void>;
  headKey: (make: () => string) => Promise<string>;
};

/** What a bearer token proves about who sent it. */
export type Proof = "boot-token" | "spent-token" | "credential" | "nothing";

/** How long the newest numbers gather before they are written. */
const saveAfterMs = 200;

/**
 * Who is who. A boot has a number (boot-number.ts), and its token is made of that under the head's own key: neither need
 * be kept to be known again. The node spends the token once, on a credential that it made itself, and that is on the disk
 * before the node hears of it. The newest number of each node is in memory and written soon after; a head that dies before
 * learns it from the first request that shows it. Whatever was spent is spent, with every number before it.
 */
export class Credentials {
  readonly #store: SecretStore;
  readonly #onUnsaved: (error: unknown) => void;
  readonly #secrets = new Map<number, NodeSecret>();
  readonly #unsaved = new Set<number>();
  readonly #spending = new Map<number, Promise<void>>();
  readonly #random = randomDigits();
  #headKey = new KeyedDigest("");
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(store: SecretStore, onUnsaved: (error: unknown) => void = () => undefined) {
    this.#store = store;
    this.#onUnsaved = onUnsaved;
  }

  async load(): Promise<void> {
    this.#headKey = new KeyedDigest(await this.#store.headKey(() => randomBytes(32).toString("hex")));
    for (const secret of await this.#store.load()) this.#secrets.set(secret.nodeId, secret);
  }

  /**
   * Begins another boot, newer than all before even where the clock was set back; the credential of the running system
   * stays good until the new one is there.
   */
  beginBoot(node: ClusterNode, nowMs: number): string {
    const last = sequenceOf(this.#secrets.get(node.id)?.bootNonce ?? "");
    const number = bootNumber(this.#headKey, node.id, {
      sequence: Math.max(nowMs, last + 1),
      random: this.#random(),
    });
    this.#setNewest(node, number);
    return number;
  }

  /** `spent`: this boot's node has its credential, so nobody needs its overlay any more. `unknown`: overtaken, or no number. */
  stateOfBoot(node: ClusterNode, number: string): "current" | "spent" | "unknown" {
    const secret = this.#secrets.get(node.id);
    if (secret !== undefined && equal(secret.bootNonce, number))
      return secret.spentOn === undefined ? "current" : "spent";
    if (sequenceOf(number) <= sequenceOf(secret?.bootNonce ?? "")) return "unknown";
    if (!isGenuine(this.#headKey, node.id, number)) return "unknown";
    // Given out by a head that died before it could write it down.
    this.#setNewest(node, number);
    return "current";
  }

  tokenOf(node: ClusterNode, number: string): string {
    return bootToken(this.#headKey, node.id, number);
  }

  prove(node: ClusterNode, bearer: string): Proof {
    const number = readToken(this.#headKey, node.id, bearer);
    if (number !== undefined) {
      const state = this.stateOfBoot(node, number);
      return state === "unknown" ? "nothing" : state === "spent" ? "spent-token" : "boot-token";
    }
    const digest = createHash("sha256").update(bearer).digest("hex");
    const known = this.#secrets.get(node.id)?.credentialDigest;
    return known !== undefined && equal(digest, known) ? "credential" : "nothing";
  }

  /**
   * Spends the boot token on a credential. The same digest again is accepted: the answer to the first may have been
   * lost, and knowing the digest gives nobody the credential. @returns false when it was spent on another.
   */
  async exchange(node: ClusterNode, bearer: string, credentialDigest: string): Promise<boolean> {
    const proof = this.prove(node, bearer);
    const secret = this.#secrets.get(node.id);
    if (secret === undefined || (proof !== "boot-token" && proof !== "spent-token")) return false;
    if (secret.spentOn === undefined) {
      const saving = this.#spend(secret, { ...secret, spentOn: credentialDigest, credentialDigest });
      this.#spending.set(node.id, saving);
      await saving.finally(() => this.#spending.delete(node.id));
      return true;
    }
    if (!equal(secret.spentOn, credentialDigest)) return false;
    await this.#spending.get(node.id);
    return true;
  }

  /** Resolves when the newest numbers are on the disk, or could not be written now. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#writing !== undefined) await this.#writing;
    const ids = [...this.#unsaved].filter((id) => !this.#spending.has(id));
    const secrets = ids.flatMap((id) => this.#secrets.get(id) ?? []);
    for (const id of ids) this.#unsaved.delete(id);
    if (this.#unsaved.size > 0) this.#saveSoon();
    if (secrets.length === 0) return;
    this.#writing = this.#store
      .save(secrets)
      .catch((error: unknown) => {
        this.#onUnsaved(error);
        for (const { nodeId } of secrets) this.#unsaved.add(nodeId);
        this.#saveSoon();
      })
      .finally(() => {
        this.#writing = undefined;
      });
    await this.#writing;
  }

  /** Ends the writing that follows; what is unsaved is written once more. */
  async stop(): Promise<void> {
    await this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #setNewest(node: ClusterNode, bootNonce: string): void {
    const credentialDigest = this.#secrets.get(node.id)?.credentialDigest;
    const kept = credentialDigest === undefined ? {} : { credentialDigest };
    this.#secrets.set(node.id, { nodeId: node.id, bootNonce, ...kept });
    this.#unsaved.add(node.id);
    this.#saveSoon();
  }

  #saveSoon(): void {
    this.#timer ??= setTimeout(() => void this.flush(), saveAfterMs).unref();
  }

  /** In memory first, so that a second exchange in the same moment finds the token spent; undone if the disk refuses. */
  async #spend(before: NodeSecret, after: NodeSecret): Promise<void> {
    this.#secrets.set(after.nodeId, after);
    // A batch under way may hold this node as it was.
    while (this.#writing !== undefined) await this.#writing;
    try {
      await this.#store.save([after]);
    } catch (error) {
      if (this.#secrets.get(after.nodeId) === after) this.#secrets.set(after.nodeId, before);
      throw error;
    }
  }
}

/** 8 hexadecimal digits at a time, drawn from the system for many at once. */
function randomDigits(): () => string {
  let pool = "";
  let at = 0;
  return () => {
    if (at === pool.length) [pool, at] = [randomBytes(4096).toString("hex"), 0];
    at += 8;
    return pool.slice(at - 8, at);
  };
}
