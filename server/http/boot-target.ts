import type { Dialect } from "../boot/boot-script.ts";
import { readGrubConfig } from "../boot/boot-urls.ts";
import type { BootIdentity } from "../model/boot-identity.ts";

/** What a request below `/boot/`, or for GRUB's `/grub/grub.cfg`, is for. The machine's segment is read by boot/boot-urls.ts. */
export type BootTarget =
  | { kind: "script"; machine: string; dialect: Dialect }
  /** What a GRUB looks for that has just started; `machine` undefined: it has to put in its own port. */
  | { kind: "grub-config"; machine: BootIdentity | undefined }
  | { kind: "loader"; machine: string; file: string }
  | { kind: "overlay"; machine: string; nonce: string }
  /** `image`: `name@version`, for the image store to read. */
  | { kind: "image-file"; machine: string; nonce: string; image: string; file: "kernel" | "initrd" }
  | { kind: "nothing" }
  | { kind: "malformed" };

/**
 * Reads a request target (RFC 9112 section 3.2); undefined when it is none below `/boot/`. A path is taken as it is meant,
 * never redirected, which firmware does not follow: doubled slashes count once, a query is passed over, `%41` is `A`.
 * A segment never leads anywhere: `..` is a name like any other, and nothing has it.
 */
export function readBootTarget(target: string): BootTarget | undefined {
  // The form of every URL that we hand out, without any work on it.
  const plain = /^\/boot\/([^/?%]+)\/script\.ipxe$/.exec(target);
  if (plain !== null) return { kind: "script", machine: plain[1] ?? "", dialect: "ipxe" };
  const path = /^(?:[a-z][a-z0-9+.-]*:\/\/[^/?#]*)?(?<path>\/[^?#]*)/i.exec(target)?.groups?.["path"] ?? "";
  const segments = path.split("/").filter((segment) => segment !== "");
  if (segments[0] !== "boot" && segments[0] !== "grub") return undefined;
  try {
    const config = readGrubConfig(decodeURIComponent(segments.join("/")));
    if (config !== undefined) return { kind: "grub-config", ...config };
    if (segments[0] === "grub") return undefined;
    return targetOf(segments.slice(1).map((segment) => decodeURIComponent(segment)));
  } catch {
    return { kind: "malformed" }; // decodeURIComponent's URIError: `%zz`
  }
}

function targetOf(segments: readonly string[]): BootTarget {
  const [machine = "", second = "", third = "", version = "", file = ""] = segments;
  switch (segments.length) {
    case 2: {
      if (second === "script.ipxe") return { kind: "script", machine, dialect: "ipxe" };
      return second === "script.grub" ? { kind: "script", machine, dialect: "grub" } : { kind: "nothing" };
    }
    case 3: {
      if (second === "loader") return { kind: "loader", machine, file: third };
      return third === "overlay" ? { kind: "overlay", machine, nonce: second } : { kind: "nothing" };
    }
    case 5: {
      if (file !== "kernel" && file !== "initrd") return { kind: "nothing" };
      return { kind: "image-file", machine, nonce: second, image: `${third}@${version}`, file };
    }
    default: {
      return { kind: "nothing" };
    }
  }
}
