import { AppError, messageOf } from "../lib/errors.ts";
import type { Ip } from "../lib/ipv6.ts";
import { toNetascii } from "./netascii.ts";
import { type ReadRequest, errorCodes } from "./packet.ts";
import { type OpenFile, type ServedFile, fileInMemory } from "./served-file.ts";

export type RequestedFile =
  | { kind: "opened"; file: ServedFile }
  /** `code`: RFC 1350's, for the client; `defect`: the fault is ours. */
  | { kind: "refused"; code: number; message: string; defect: boolean }
  /** Not now: no answer, the client asks again by itself. */
  | { kind: "later"; message: string };

/**
 * Netascii is for text that a person fetches by hand: it is turned in memory, and a file that is larger than this must
 * be asked for as octets. Firmware never uses it.
 */
const netasciiLimitBytes = 1024 * 1024;

/** Opens what a request names, in the form its mode asks for. Never throws. */
export async function openRequested(request: ReadRequest, peer: Ip, open: OpenFile): Promise<RequestedFile> {
  const mode = request.mode.toLowerCase();
  if (mode !== "octet" && mode !== "netascii") {
    return refused(errorCodes.illegalOperation, `unknown mode ${request.mode}`);
  }
  try {
    const file = await open(request.path, peer);
    if (file === undefined) return refused(errorCodes.fileNotFound, "file not found");
    return mode === "octet" ? { kind: "opened", file } : await asNetascii(file);
  } catch (error) {
    return refusalOf(error);
  }
}

async function asNetascii(file: ServedFile): Promise<RequestedFile> {
  try {
    if (file.sizeBytes > netasciiLimitBytes) {
      return refused(errorCodes.notDefined, "too large for netascii, ask for octet");
    }
    const text = file.sizeBytes === 0 ? new Uint8Array(0) : await file.read(0, file.sizeBytes);
    return { kind: "opened", file: fileInMemory(toNetascii(text)) };
  } finally {
    await file.close();
  }
}

function refused(code: number, message: string): RequestedFile {
  return { kind: "refused", code, message, defect: false };
}

function refusalOf(error: unknown): RequestedFile {
  if (error instanceof AppError) {
    if (error.code === "not-found") return refused(errorCodes.fileNotFound, error.message);
    if (error.code === "forbidden") return refused(errorCodes.accessViolation, error.message);
    if (error.code === "unavailable") return { kind: "later", message: error.message };
  }
  // A template with a fault, a disk that fails: the text may help whoever stands before the machine.
  return { kind: "refused", code: errorCodes.notDefined, message: messageOf(error), defect: true };
}
