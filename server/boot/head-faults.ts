import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../lib/errors.ts";
import { grubDirectories, type LoaderKind } from "../model/arch.ts";
import type { HeadFault } from "../model/head-fault.ts";
import type { BootPlan } from "./boot-plan.ts";

/**
 * What is wrong on the head's disk that would stop a node with this plan: looked at when somebody asks why, not before.
 */
export function diskFaults(plan: BootPlan, loaderDirectory: string, loader: LoaderKind): HeadFault[] {
  const faults: HeadFault[] = [];
  const { image, reference } = plan;
  const name = reference.replace(/@.*/, "");
  if (image === undefined) {
    return [
      {
        stops: "script",
        message: `the image ${reference} is not in the store`,
        fix: `provision build-image ${name}`,
      },
    ];
  }
  const rebuild = `provision build-image ${name} --force`;
  for (const step of ["kernel", "initrd"] as const) {
    const problem = unreadable(image[step]);
    if (problem !== undefined)
      faults.push({ stops: step, message: `the ${step} ${image[step]} ${problem}`, fix: rebuild });
  }
  const rootProblem = unreadable(join(image.root, "usr"));
  if (rootProblem !== undefined)
    faults.push({
      stops: "root",
      message: `the root file system ${image.root} ${rootProblem}`,
      fix: rebuild,
    });
  const needed = [
    { file: join(loaderDirectory, "undionly.kpxe"), package: "ipxe" },
    loader === "grub"
      ? { file: join(grubDirectories[0], "grubnetx64.efi"), package: "grub-efi-amd64-bin" }
      : { file: join(loaderDirectory, "snponly.efi"), package: "ipxe" },
  ];
  for (const { file, package: debianPackage } of needed) {
    const problem = unreadable(file);
    if (problem === undefined) continue;
    const message = `the boot loader ${file} ${problem}`;
    faults.push({ stops: "loader", message, fix: `apt-get install ${debianPackage}` });
  }
  return faults;
}

function unreadable(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return errnoOf(error) === "ENOENT" ? "is missing" : `cannot be read (${errnoOf(error) ?? "unknown"})`;
  }
}
