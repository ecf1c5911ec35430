import { assertNever } from "../lib/assert.ts";
import { hyphenated } from "../lib/mac.ts";
import type { BootIdentity } from "../model/boot-identity.ts";
import type { ImageVersion } from "../model/image.ts";
import type { ClusterNode } from "../model/node.ts";
import type { BootUrls } from "./boot-urls.ts";

/** What an iPXE that asks is to be told. */
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

/** The template and the variables of an answer's script. */
export function scriptView(answer: ScriptAnswer, urls: BootUrls): { template: string; view: object } {
  const always = {
    head: urls.base,
    scriptUrl: urls.script(answer.machine),
    mac: answer.machine.mac,
    seconds: waitSeconds,
  };
  switch (answer.kind) {
    case "boot": {
      const { machine, nonce, node, image } = answer;
      const url = (file: "kernel" | "initrd" | "overlay"): string => urls.file(machine, nonce, file);
      return {
        template: "boot.ipxe",
        view: {
          ...always,
          node: node.name,
          image: `${image.name}@${image.version}`,
          kernelUrl: url("kernel"),
          initrdUrl: url("initrd"),
          overlayUrl: url("overlay"),
          // PXELINUX's way to tell the initrd which of the machine's ports booted it.
          arguments: [...answer.arguments, `BOOTIF=01-${hyphenated(machine.mac)}`].join(" "),
        },
      };
    }
    case "busy": {
      const { node, before, seconds } = answer;
      return { template: "busy.ipxe", view: { ...always, node: node.name, before, seconds } };
    }
    case "no-image": {
      return {
        template: "no-image.ipxe",
        view: {
          ...always,
          node: answer.node.name,
          image: answer.reference,
          imageName: answer.reference.replace(/@.*/, ""),
        },
      };
    }
    case "wait": {
      return { template: "wait.ipxe", view: always };
    }
    default: {
      return assertNever(answer);
    }
  }
}
