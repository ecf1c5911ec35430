import { assertNever } from "../lib/assert.ts";
import { hyphenated } from "../lib/mac.ts";
import type { BootIdentity } from "../model/boot-identity.ts";
import type { ImageVersion } from "../model/image.ts";
import type { ClusterNode } from "../model/node.ts";
import type { BootFile, BootOf, BootUrls, IpFamily, Via } from "./boot-urls.ts";

/** Loaders that take a script of ours: what each calls it, and where its templates lie (templates/DIALECT). */
export const dialects = ["ipxe", "grub", "pxelinux"] as const;

export type Dialect = (typeof dialects)[number];

/**
 * A loader that asks: in which language, and by which protocols, by which it then fetches the rest too: firmware that has
 * booted by one family need not have an address of the other. iPXE has HTTP.
 */
export type Asker = { dialect: Dialect; via: Via; family: IpFamily };

export const ipxeAsker: Asker = { dialect: "ipxe", via: "http", family: "ipv4" };

/** What a loader that asks is to be told. */
export type ScriptAnswer =
  | {
      kind: "boot";
      machine: BootIdentity;
      node: ClusterNode;
      image: ImageVersion;
      nonce: string;
      arguments: readonly string[];
    }
  | { kind: "busy"; machine: BootIdentity; node: ClusterNode; before: number; seconds: number }
  | { kind: "no-image"; machine: BootIdentity; node: ClusterNode; reference: string }
  | { kind: "wait"; machine: BootIdentity };

/** How long a machine that waits sleeps between two questions. */
const waitSeconds = 5;

function fileUrl(
  { dialect, via }: Pick<Asker, "dialect" | "via">,
  urls: BootUrls,
  machine: BootIdentity,
  boot: BootOf,
  file: BootFile,
): string {
  switch (dialect) {
    case "ipxe": {
      return urls.file(machine, boot, file);
    }
    case "grub": {
      return urls.grubFile(via, machine, boot, file);
    }
    case "pxelinux": {
      return via === "http" ? urls.file(machine, boot, file) : urls.tftpFile(machine, boot, file);
    }
    default: {
      return assertNever(dialect);
    }
  }
}

/** The variables of an answer's script; its template is `KIND.DIALECT`. */
export function scriptView(
  answer: ScriptAnswer,
  { dialect, via }: Pick<Asker, "dialect" | "via">,
  urls: BootUrls,
): object {
  const always = {
    head: urls.base,
    scriptUrl: urls.script(answer.machine),
    mac: answer.machine.mac,
    seconds: waitSeconds,
    // PXELINUX goes on with another configuration where others have loops.
    againUrl: urls.pxelinuxConfig(via, answer.machine),
  };
  switch (answer.kind) {
    case "boot": {
      const { machine, nonce, node, image } = answer;
      const boot = { nonce, image };
      const url = (file: BootFile): string => fileUrl({ dialect, via }, urls, machine, boot, file);
      // PXELINUX's way to tell the initrd which of the machine's ports booted it.
      const words = [...answer.arguments, `BOOTIF=01-${hyphenated(machine.mac)}`];
      return {
        ...always,
        node: node.name,
        image: `${image.name}@${image.version}`,
        kernelUrl: url("kernel"),
        initrdUrl: url("initrd"),
        overlayUrl: url("overlay"),
        arguments: words.map((word) => (dialect === "grub" ? grubWord(word) : word)).join(" "),
      };
    }
    case "busy": {
      const { node, before, seconds } = answer;
      return { ...always, node: node.name, before, seconds };
    }
    case "no-image": {
      return {
        ...always,
        node: answer.node.name,
        image: answer.reference,
        imageName: answer.reference.replace(/@.*/, ""),
      };
    }
    case "wait": {
      return always;
    }
    default: {
      return assertNever(answer);
    }
  }
}

/** GRUB's scripts read words as a shell does: `$`, `;` and quotes would not reach the kernel. */
function grubWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
