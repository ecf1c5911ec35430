import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../lib/errors.ts";
import { grub, type LoaderKind, placesOfLoader, pxelinux, shim } from "../model/arch.ts";
import type { HeadFault } from "../model/head-fault.ts";
import type { BootPlan } from "./boot-plan.ts";

const bios = { file: "undionly.kpxe", debianPackage: "ipxe" };
const uefi = { file: "snponly.efi", debianPackage: "ipxe" };
const files: Readonly<Record<LoaderKind, readonly { file: string; debianPackage: string }[]>> = {
  ipxe: [bios, uefi],
  grub: [bios, { file: grub.x64, debianPackage: "grub-efi-amd64-bin" }],
  pxelinux: [
    { file: pxelinux.bios, debianPackage: "pxelinux" },
    { file: pxelinux.module, debianPackage: "syslinux-common" },
    uefi,
  ],
  shim: [
    bios,
    { file: shim.x64, debianPackage: "shim-signed" },
    { file: shim.x64Grub, debianPackage: "grub-efi-amd64-signed" },
  ],
};

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
  for (const { file, debianPackage } of files[loader]) {
    const paths = placesOfLoader(file, loaderPlaces).map((place) => join(place.directory, place.file));
    const problems = paths.map(unreadable);
    if (problems.includes(undefined)) continue;
    const message = `the boot loader ${paths[0]} ${problems[0]}`;
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
