/** What is kept of one node's proofs of identity: digests, never the secrets. */
export type NodeSecret = {
  nodeId: number;
  /** Names the boot in its URLs; the boot token is derived from it. */
  bootNonce: string;
  /** SHA-256 of the credential on which this boot's token was spent. */
  spentOn?: string;
  /** SHA-256 of the credential in force. */
  credentialDigest?: string;
};
