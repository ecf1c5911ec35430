import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { CredentialRequest } from "./contract.ts";

/**
 * What the node proves itself with, made by the node itself. `stage` is how far the head is known to have gone along:
 * `made`: nothing is known; `exchanged`: it took the digest for the boot token; `announced`: it was told the node is up.
 */
export type Credential = { secret: string; stage: "made" | "exchanged" | "announced" };

const stages: ReadonlySet<unknown> = new Set([
  "made",
  "exchanged",
  "announced",
] satisfies Credential["stage"][]);

/**
 * The credential of this boot: the one in the file, when an agent of this boot left one there, or a new one. It has to be
 * in the file (saveCredential) before its digest goes to the head: an agent that dies in between repeats the exchange with
 * the same digest and is not taken for somebody else. The boot token is the key, as /run may outlive a boot (kexec).
 */
export function openCredential(file: string, token: string): Credential {
  return read(file, token) ?? { secret: randomBytes(32).toString("hex"), stage: "made" };
}

/** Replaces the file in one step; nobody but its owner may read it. */
export function saveCredential(file: string, token: string, { secret, stage }: Credential): void {
  const directory = dirname(file);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const next = `${file}.new`;
  rmSync(next, { force: true });
  writeFileSync(next, JSON.stringify({ boot: digestOf(token), secret, stage }), { mode: 0o600 });
  renameSync(next, file);
}

/** What goes to the head in its place. */
export function credentialRequest(credential: Credential): CredentialRequest {
  return { credentialDigest: digestOf(credential.secret) };
}

function read(file: string, token: string): Credential | undefined {
  try {
    const kept = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    const { boot, secret, stage } = kept;
    if (boot !== digestOf(token) || typeof secret !== "string" || !stages.has(stage)) return undefined;
    return { secret, stage: stage as Credential["stage"] };
  } catch {
    return undefined; // not there, or cut short: a new one is made
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
