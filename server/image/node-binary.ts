import { closeSync, openSync, readSync } from "node:fs";
import { execa } from "execa";
import { AppError, messageOf } from "../lib/errors.ts";
import type { ImageArchitecture } from "./definition.ts";
import { fileDigest } from "./inputs.ts";

/** What is known of the Node runtime that goes into an image. */
export type NodeBinary = { sha256: string; version?: string };

/** Looks at the binary; throws when it cannot run in an image of that architecture. */
export async function inspectNodeBinary(file: string, architecture: ImageArchitecture): Promise<NodeBinary> {
  const found = elfArchitecture(header(file));
  if (found !== architecture) {
    throw new AppError(
      "invalid",
      `${file} is no program for ${architecture}${found === undefined ? "" : ` but for ${found}`}`,
      {
        hint: `give the path of a Node 26 for ${architecture}`,
      },
    );
  }
  const sha256 = await fileDigest(file);
  // One for another architecture cannot be asked.
  const result = await execa(file, ["--version"], { reject: false, timeout: 10_000, stdin: "ignore" });
  const version = result.failed ? undefined : result.stdout.trim();
  return version === undefined ? { sha256 } : { sha256, version };
}

/** e_machine of an ELF file's header (elf(5)); undefined for anything that is none, or of another kind. */
export function elfArchitecture(bytes: Uint8Array): ImageArchitecture | undefined {
  const magic = [0x7f, 0x45, 0x4c, 0x46];
  if (bytes.length < headerBytes || magic.some((byte, index) => bytes[index] !== byte)) return undefined;
  const machine = (bytes[18] ?? 0) | ((bytes[19] ?? 0) << 8); // little-endian, as both are
  if (machine === 62) return "amd64";
  if (machine === 183) return "arm64";
  return undefined;
}

const headerBytes = 20;

function header(file: string): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  try {
    const fd = openSync(file, "r");
    try {
      return bytes.subarray(0, readSync(fd, bytes));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new AppError("environment", `cannot read the Node binary: ${messageOf(error)}`, { cause: error });
  }
}
