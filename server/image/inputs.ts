import { createHash } from "node:crypto";
import { createReadStream, lstatSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import type { ImageArchitecture } from "./definition.ts";
import { entriesBelow } from "./walk.ts";

/** Goes up when the same definition is built into something else than before. */
const builderVersion = 1;

export type Inputs = {
  definitionDirectory: string;
  architecture: ImageArchitecture;
  /** SHA-256 of the Node binary. */
  nodeDigest: string;
};

/**
 * SHA-256 over everything that goes into an image, except for Debian's archive: what it offers today is only taken by a
 * build that is forced.
 */
export function inputsDigest(inputs: Inputs): string {
  const hash = createHash("sha256");
  hash.update(`builder ${builderVersion}\narchitecture ${inputs.architecture}\nnode ${inputs.nodeDigest}\n`);
  for (const { name, directory } of entriesBelow(inputs.definitionDirectory)) {
    if (directory) continue;
    hash.update(`${describe(path.join(inputs.definitionDirectory, name))} ${JSON.stringify(name)}\n`);
  }
  return hash.digest("hex");
}

export async function fileDigest(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest("hex");
}

/** Of the mode only "may be run": the rest depends on the umask of whoever checked the definition out. */
function describe(file: string): string {
  const stat = lstatSync(file);
  if (stat.isSymbolicLink()) return `link ${JSON.stringify(readlinkSync(file))}`;
  const kind = (stat.mode & 0o100) === 0 ? "file" : "program";
  return `${kind} ${createHash("sha256").update(readFileSync(file)).digest("hex")}`;
}
