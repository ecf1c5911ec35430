import type { Command } from "commander";
import type { SetGroupRequest } from "../model/answers.ts";
import { loaderKinds } from "../model/arch.ts";
import { collect } from "./define.ts";

/** What add-group and set-group can set. */
export type GroupFlags = {
  image?: string | false;
  loader?: string | false;
  kernelArgument?: readonly string[] | false;
  option?: readonly string[] | false;
};

export function addGroupFlags(command: Command): void {
  command
    .option("--image <image>", "image that its nodes boot, NAME or NAME@VERSION")
    .option("--no-image", "no image: the nodes' own, else the head's")
    .option("--loader <loader>", `what the firmware of its nodes starts: ${loaderKinds.join(", ")}`)
    .option("--no-loader", "no loader: the nodes' own, else the head's")
    .option(
      "--kernel-argument <argument>",
      "kernel argument of its nodes, after the image's; given once for each, replaces all",
      (value: string, before: unknown) => collect(value, Array.isArray(before) ? before : undefined),
    )
    .option("--no-kernel-argument", "no kernel arguments")
    .option(
      "--option <option>",
      "DHCP option of its nodes as NAME=VALUE (provision help options); given once for each, replaces all",
      (value: string, before: unknown) => collect(value, Array.isArray(before) ? before : undefined),
    )
    .option("--no-option", "no DHCP options");
}

export function groupValues({
  image,
  loader,
  kernelArgument,
  option,
}: GroupFlags): Omit<SetGroupRequest, "name" | "dryRun"> {
  return {
    ...(image === undefined ? {} : { image: image === false ? "" : image }),
    ...(loader === undefined ? {} : { loader: loader === false ? "" : loader }),
    ...(kernelArgument === undefined
      ? {}
      : { kernelArguments: kernelArgument === false ? [] : kernelArgument }),
    ...(option === undefined ? {} : { options: option === false ? [] : option }),
  };
}
