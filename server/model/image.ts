/** One immutable version of a node image in the image store. All paths are absolute. */
export type ImageVersion = {
  /** `debian-13` */
  name: string;
  /** `20261122-3f9a1c04`: the day it was built and the start of its inputs' digest. */
  version: string;
  architecture: "amd64" | "arm64";
  /** Directory of the root file system, exported read-only. */
  root: string;
  kernel: string;
  initrd: string;
  kernelVersion: string;
  /** From the image's definition. */
  kernelArguments: readonly string[];
  builtAtMs: number;
  /** SHA-256 of the definition and of what went in, in hexadecimal: the cache key. */
  inputsDigest: string;
  /** The version that nodes boot which name only the image. */
  current: boolean;
  /** Bytes of the root file system, the kernel and the initrd. */
  bytes: number;
};

/** What the boot path needs of the image store. Reads the disk, so never on a DHCP packet's way. */
export type ImageCatalog = {
  /** `reference`: `name` (its current version) or `name@version`. */
  find: (reference: string) => ImageVersion | undefined;
  list: () => readonly ImageVersion[];
};
