import { z } from "zod";

/** What is known of an image version: `manifest.json`, written last, so a directory without one is no version. */
export const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  architecture: z.enum(["amd64", "arm64"]),
  suite: z.string(),
  kernelVersion: z.string(),
  kernelArguments: z.array(z.string()),
  builtAtMs: z.int(),
  /** The cache key: see inputs.ts. */
  inputsDigest: z.string(),
  /** SHA-256 of names, modes, owners, times and contents of the root tree: equal for equal builds. */
  rootDigest: z.string(),
  /** Of the root file system, the kernel and the initrd. */
  bytes: z.int(),
  node: z.object({ sha256: z.string(), version: z.string().optional() }),
  /** Installed packages and their versions. */
  packages: z.record(z.string(), z.string()),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** File names in a version's directory. */
export const versionFiles = {
  root: "rootfs",
  kernel: "vmlinuz",
  initrd: "initrd.img",
  manifest: "manifest.json",
} as const;

/** Name of the link beside the versions. */
export const currentLink = "current";

/** `20261122-3f9a1c04`, and `20261122-3f9a1c04.2` for a second build of one day from the same inputs. */
export function isVersionName(text: string): boolean {
  return /^\d{8}-[0-9a-f]{8}(?:\.\d+)?$/.test(text);
}

/** The first free name for a build. */
export function versionName(builtAtMs: number, inputsDigest: string, taken: ReadonlySet<string>): string {
  const day = new Date(builtAtMs).toISOString().slice(0, 10).replaceAll("-", "");
  const base = `${day}-${inputsDigest.slice(0, 8)}`;
  if (!taken.has(base)) return base;
  let count = 2;
  while (taken.has(`${base}.${count}`)) count += 1;
  return `${base}.${count}`;
}

/** Splits `name` or `name@version`; undefined when it is neither, and so cannot lead out of the store. */
export function parseReference(reference: string): { name: string; version?: string } | undefined {
  const [name = "", version, ...rest] = reference.split("@");
  if (rest.length > 0 || !/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(name)) return undefined;
  if (version === undefined) return { name };
  return isVersionName(version) ? { name, version } : undefined;
}
