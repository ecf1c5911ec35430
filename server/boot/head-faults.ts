import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../lib/errors.ts";
import type { LoaderKind } from "../model/arch.ts";
import type { HeadFault } from "../model/head-fault.ts";
import type { BootPlan } from "./boot-plan.ts";

/**
 * What is wrong on the head's disk that would stop a node with this plan: looked at when somebody asks why, not before.
 * `loaderPlaces`: the directories from which loaders are served.
 */
export function diskFaults(plan: BootPlan, loaderPlaces: readonly string[], loader: LoaderKind): HeadFault[] {
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
  const uefi =
    loader === "grub"
      ? { file: "grubnetx64.efi", debianPackage: "grub-efi-amd64-bin" }
      : { file: "snponly.efi", debianPackage: "ipxe" };
  for (const { file, debianPackage } of [{ file: "undionly.kpxe", debianPackage: "ipxe" }, uefi]) {
    const problems = loaderPlaces.map((place) => unreadable(join(place, file)));
    if (problems.includes(undefined)) continue;
    const message = `the boot loader ${join(loaderPlaces[0] ?? "", file)} ${problems[0]}`;
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
