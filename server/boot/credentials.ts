import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { NodeSecret } from "../model/node-secret.ts";
import type { ClusterNode } from "../model/node.ts";

export type SecretStore = {
  load: () => Promise<NodeSecret[]>;
  save: (secret: NodeSecret) => Promise<void>;
  headKey: (make: () => string) => Promise<string>;
};

/** What a bearer token proves about who sent it. */
export type Proof = "boot-token" | "spent-token" | "credential" | "nothing";

/**
 * Who is who. A boot begins with a nonce; the token for that boot is HMAC-SHA-256 of node and nonce under the head's own
 * key, so it need not be kept and is the same however often the overlay is fetched. The node spends the token once, on
 * a credential that it made itself. Every change is on the disk before the node hears of it.
 */
export class Credentials {
  readonly #store: SecretStore;
  readonly #secrets = new Map<number, NodeSecret>();
  #headKey = "";

  constructor(store: SecretStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    this.#headKey = await this.#store.headKey(() => randomBytes(32).toString("hex"));
    for (const secret of await this.#store.load()) this.#secrets.set(secret.nodeId, secret);
  }

  /** Begins another boot; the credential of the running system stays good until the new one is there. */
  async beginBoot(node: ClusterNode): Promise<string> {
    const bootNonce = randomBytes(8).toString("hex");
    const credentialDigest = this.#secrets.get(node.id)?.credentialDigest;
    await this.#save({
      nodeId: node.id,
      bootNonce,
      ...(credentialDigest === undefined ? {} : { credentialDigest }),
    });
    return bootNonce;
  }

  /** `spent`: this boot's node has its credential, so nobody needs its overlay any more. */
  stateOfBoot(node: ClusterNode, nonce: string): "current" | "spent" | "unknown" {
    const secret = this.#secrets.get(node.id);
    if (secret === undefined || !equal(secret.bootNonce, nonce)) return "unknown";
    return secret.spentOn === undefined ? "current" : "spent";
  }

  tokenOf(node: ClusterNode, nonce: string): string {
    return createHmac("sha256", this.#headKey).update(`${node.id} ${nonce}`).digest("hex");
  }

  prove(node: ClusterNode, bearer: string): Proof {
    const secret = this.#secrets.get(node.id);
    if (secret === undefined) return "nothing";
    if (equal(bearer, this.tokenOf(node, secret.bootNonce)))
      return secret.spentOn === undefined ? "boot-token" : "spent-token";
    const digest = createHash("sha256").update(bearer).digest("hex");
    return secret.credentialDigest !== undefined && equal(digest, secret.credentialDigest)
      ? "credential"
      : "nothing";
  }

  /**
   * Spends the boot token on a credential. The same digest again is accepted: the answer to the first may have been
   * lost, and knowing the digest gives nobody the credential. @returns false when it was spent on another.
   */
  async exchange(node: ClusterNode, bearer: string, credentialDigest: string): Promise<boolean> {
    const proof = this.prove(node, bearer);
    const secret = this.#secrets.get(node.id);
    if (secret === undefined || (proof !== "boot-token" && proof !== "spent-token")) return false;
    if (secret.spentOn !== undefined) return equal(secret.spentOn, credentialDigest);
    await this.#save({
      nodeId: node.id,
      bootNonce: secret.bootNonce,
      spentOn: credentialDigest,
      credentialDigest,
    });
    return true;
  }

  /** In memory first, so that a second exchange in the same moment finds the token spent; undone if the disk refuses. */
  async #save(secret: NodeSecret): Promise<void> {
    const before = this.#secrets.get(secret.nodeId);
    this.#secrets.set(secret.nodeId, secret);
    try {
      await this.#store.save(secret);
    } catch (error) {
      if (before === undefined) this.#secrets.delete(secret.nodeId);
      else this.#secrets.set(secret.nodeId, before);
      throw error;
    }
  }
}

function equal(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
