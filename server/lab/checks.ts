import { existsSync, readFileSync } from "node:fs";
import { AppError, type Fault } from "../lib/errors.ts";
import type { ImageVersion } from "../model/image.ts";
import { type Firmware, missingFirmware } from "./firmware.ts";
import { qemuProgram } from "./machine.ts";
import { findProgram } from "../system/processes.ts";
import { codeBufferMiB } from "./qemu.ts";

/** What a lab needs of the machine it runs on. */
export type LabNeeds = {
  machines: number;
  firmware: readonly Firmware[];
  memoryMiB: number;
  image: string;
  imageStore: string;
  findImage: (store: string, reference: string) => ImageVersion | undefined;
};

/** What the machine has. */
export type LabSurroundings = {
  isRoot: boolean;
  exists: (file: string) => boolean;
  findProgram: (name: string) => string | undefined;
  availableMiB: number;
};

export function readSurroundings(searchPath: string): LabSurroundings {
  return {
    isRoot: process.getuid?.() === 0,
    exists: existsSync,
    findProgram: (name) => findProgram(name, searchPath),
    availableMiB: parseAvailableMiB(readFileSync("/proc/meminfo", "utf8")),
  };
}

/** proc(5): MemAvailable, in KiB. */
export function parseAvailableMiB(meminfo: string): number {
  return Math.floor(Number(/^MemAvailable: +(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) / 1024);
}

/** The head with its NFS server. */
const headMiB = 350;
/** QEMU itself, beside the machine's memory and the buffer of translated code. */
const qemuMiB = 100;

export function memoryOfMachineMiB(memoryMiB: number): number {
  return memoryMiB + codeBufferMiB + qemuMiB;
}

const programs: readonly { name: string; debianPackage: string }[] = [
  { name: "ip", debianPackage: "iproute2" },
  { name: qemuProgram, debianPackage: "qemu-system-x86" },
  { name: "ssh", debianPackage: "openssh-client" },
  { name: "ssh-keygen", debianPackage: "openssh-client" },
  { name: "ganesha.nfsd", debianPackage: "nfs-ganesha" },
];

/** Everything that keeps a lab from being made, all at once; empty when nothing does. */
export function labFaults(needs: LabNeeds, has: LabSurroundings): Fault[] {
  const missing = [
    ...programs
      .filter(({ name }) => has.findProgram(name) === undefined)
      .map(({ name, debianPackage }) => ({ thing: name, debianPackage })),
    ...missingFirmware(needs.firmware, has.exists).map(({ file, debianPackage }) => ({
      thing: file,
      debianPackage,
    })),
  ];
  const needed = headMiB + needs.machines * memoryOfMachineMiB(needs.memoryMiB);
  const image = needs.findImage(needs.imageStore, needs.image);
  return [
    ...(has.isRoot
      ? []
      : [{ place: "user", message: "a lab makes network namespaces and devices: only root may" }]),
    ...missing.map(({ thing, debianPackage }) => ({
      place: thing,
      message: `is not there (Debian package ${debianPackage}); scripts/setup installs it`,
    })),
    ...(has.exists("/dev/net/tun")
      ? []
      : [{ place: "/dev/net/tun", message: "is not there: modprobe tun, or let the container have it" }]),
    ...(image === undefined
      ? [
          {
            place: "image",
            message: `there is no ${needs.image} in ${needs.imageStore}: ${buildCommand(needs)}`,
          },
        ]
      : image.architecture === "amd64"
        ? []
        : [
            {
              place: "image",
              message: `${needs.image} is for ${image.architecture}; the lab's machines are amd64`,
            },
          ]),
    ...(has.availableMiB >= needed
      ? []
      : [
          {
            place: "memory",
            message: `${needs.machines} machines of ${needs.memoryMiB} MiB and the head need about ${needed} MiB, ${has.availableMiB} MiB are free`,
          },
        ]),
  ];
}

function buildCommand({ image, imageStore }: LabNeeds): string {
  const store = imageStore === "/var/lib/provision/images" ? "" : ` --image-store ${imageStore}`;
  return `provision build-image ${image.replace(/@.*/, "")}${store}`;
}

/** @throws AppError("environment") with every fault */
export function checkLab(needs: LabNeeds, has: LabSurroundings): void {
  const faults = labFaults(needs, has);
  if (faults.length > 0) throw new AppError("environment", "a lab cannot be made here", { faults });
}
