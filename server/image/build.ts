import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { AppError, messageOf } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { ImageVersion } from "../model/image.ts";
import { type ImageArchitecture, type ImageDefinition, readDefinition } from "./definition.ts";
import { inputsDigest } from "./inputs.ts";
import { type Manifest, versionFiles, versionName } from "./manifest.ts";
import { runMmdebstrap } from "./mmdebstrap.ts";
import { type NodeBinary, inspectNodeBinary } from "./node-binary.ts";
import { installedPackages } from "./packages.ts";
import { type BuildProgress, createProgressReader, sealingFrom } from "./progress.ts";
import { sealTree } from "./tree.ts";
import { createImageCatalog, makeCurrent } from "./versions.ts";
import { openWorkspace, removeWorkspace } from "./workspace.ts";

export type BuildOptions = {
  /** `images/debian-13` */
  definitionDirectory: string;
  store: string;
  /** The Node runtime of the nodes: a binary for the image's architecture. */
  nodeBinary: string;
  architecture: ImageArchitecture;
  /** Build even when nothing has changed, to take what Debian's archive offers today. */
  force: boolean;
  onProgress: (progress: BuildProgress) => void;
  /** Aborted: whatever was begun is ended and removed, and the build rejects. */
  signal: AbortSignal;
  log: Log;
  /** PATH and proxies. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Build in namespaces of its own; needs root, as mmdebstrap does. For tests without it. */
  isolated?: boolean;
};

export type BuildResult = {
  version: ImageVersion;
  /** True when the version was there before. */
  cached: boolean;
};

/** What a build of the usual size needs at its height: packages and tree. */
const neededBytes = 1.5 * 1024 ** 3;

/**
 * Builds an image version from its definition and makes it the current one. When a version from the very same inputs is
 * there already, that one is made current.
 */
export async function buildImage(options: BuildOptions): Promise<BuildResult> {
  const definition = readDefinition(options.definitionDirectory);
  checkArchitecture(definition, options);
  const node = await inspectNodeBinary(options.nodeBinary, options.architecture);
  const digest = inputsDigest({ ...options, nodeDigest: node.sha256 });
  const known = options.force ? undefined : versionFrom(options.store, definition.name, digest);
  if (known !== undefined) {
    if (!known.current) makeCurrent(options.store, known.name, known.version);
    return { version: { ...known, current: true }, cached: true };
  }
  prepareStore(options.store, definition.name);
  const workspace = await openWorkspace(options.store);
  try {
    const built = await buildIn(workspace, definition, node, digest, options);
    const version = publish(workspace, built, options.store);
    options.log.info({ image: definition.name, version }, "image version built");
    const image = createImageCatalog(options.store).find(`${definition.name}@${version}`);
    if (image === undefined)
      throw new AppError("internal", `${definition.name}@${version} vanished after its build`);
    return { version: image, cached: false };
  } catch (error) {
    await removeWorkspace(workspace);
    if (options.signal.aborted) {
      throw new AppError("unavailable", "the build was interrupted; nothing of it is left", { cause: error });
    }
    throw error;
  }
}

/** Everything but the version's name is in the workspace when this is over. */
async function buildIn(
  workspace: string,
  definition: ImageDefinition,
  node: NodeBinary,
  digest: string,
  options: BuildOptions,
): Promise<Omit<Manifest, "version">> {
  const { signal } = options;
  const onProgress = changesOnly(options.onProgress);
  const root = path.join(workspace, versionFiles.root);
  const read = createProgressReader();
  onProgress({ phase: "starting", percent: 0 });
  await runMmdebstrap({
    ...options,
    definition,
    root,
    logFile: path.join(options.store, definition.name, "build.log"),
    isolated: options.isolated ?? true,
    onLine: (line) => {
      const progress = read(line);
      if (progress !== undefined) onProgress(progress);
    },
  });
  if (inputsDigest({ ...options, nodeDigest: node.sha256 }) !== digest) {
    throw new AppError("conflict", `${options.definitionDirectory} was changed while it was built`, {
      hint: "build again",
    });
  }
  chmodSync(root, 0o755);
  const kernelVersion = linkBootFiles(root, workspace);
  const phase = "sealing the tree";
  const measure = await sealTree(
    root,
    definition.sourceDateEpoch,
    (share) => onProgress({ phase, percent: Math.floor(sealingFrom + (99 - sealingFrom) * share) }),
    signal,
  );
  onProgress({ phase: "writing it all to the disk", percent: 99 });
  await flush(workspace);
  signal.throwIfAborted();
  return {
    name: definition.name,
    architecture: options.architecture,
    suite: definition.suite,
    kernelVersion,
    kernelArguments: [...definition.kernelArguments],
    builtAtMs: Date.now(),
    inputsDigest: digest,
    rootDigest: measure.digest,
    bytes: measure.bytes,
    node,
    packages: installedPackages(readFileSync(path.join(root, "var/lib/dpkg/status"), "utf8")),
  };
}

function changesOnly(onProgress: (progress: BuildProgress) => void): (progress: BuildProgress) => void {
  let said = "";
  return (progress) => {
    const now = `${progress.percent} ${progress.phase}`;
    if (now !== said) onProgress(progress);
    said = now;
  };
}

/** From one moment to the next the workspace is a version, and the current one. */
function publish(workspace: string, built: Omit<Manifest, "version">, store: string): string {
  const directory = path.join(store, built.name);
  const version = versionName(built.builtAtMs, built.inputsDigest, new Set(readdirSync(directory)));
  const manifest: Manifest = { ...built, version };
  writeFileSync(path.join(workspace, versionFiles.manifest), `${JSON.stringify(manifest, undefined, 2)}\n`);
  renameSync(workspace, path.join(directory, version));
  makeCurrent(store, built.name, version);
  return version;
}

/** Kernel and initrd under one roof with the root tree, without a second copy; gives the kernel's version. */
function linkBootFiles(root: string, workspace: string): string {
  for (const file of [versionFiles.kernel, versionFiles.initrd]) {
    const source = path.join(root, "boot", file);
    if (statSync(source, { throwIfNoEntry: false })?.isFile() !== true) {
      throw new AppError("invalid", `the image has no /boot/${file}`, {
        hint: "customize.sh must leave the kernel and the initrd there under these names",
      });
    }
    linkSync(source, path.join(workspace, file));
  }
  const versions = readdirSync(path.join(root, "usr/lib/modules"));
  const [kernelVersion] = versions;
  if (kernelVersion === undefined || versions.length > 1) {
    throw new AppError("invalid", `the image must have one kernel, and has ${versions.length}`, {
      hint: "look at the kernel packages in image.yaml",
    });
  }
  return kernelVersion;
}

function versionFrom(store: string, name: string, digest: string): ImageVersion | undefined {
  return createImageCatalog(store)
    .list()
    .find((image) => image.name === name && image.inputsDigest === digest);
}

function checkArchitecture(definition: ImageDefinition, options: BuildOptions): void {
  if (definition.architectures.includes(options.architecture)) return;
  throw new AppError("invalid", `${definition.name} is not made for ${options.architecture}`, {
    hint: `its image.yaml has: ${definition.architectures.join(", ")}`,
  });
}

/** Anybody may look into the store, the NFS server must; only its owner may write. */
function prepareStore(store: string, name: string): void {
  try {
    mkdirSync(path.join(store, name), { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new AppError("environment", `cannot make ${path.join(store, name)}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const { bavail, bsize } = statfsSync(store);
  if (bavail * bsize < neededBytes) {
    const gigabytes = (bytes: number): string => (bytes / 1024 ** 3).toFixed(1);
    throw new AppError(
      "environment",
      `${store} has ${gigabytes(bavail * bsize)} GB left, a build needs ${gigabytes(neededBytes)} GB`,
      { hint: "remove old versions, or set another imageStore in the configuration" },
    );
  }
}

/** A machine that loses its power after the rename must not have a version of empty files. */
async function flush(directory: string): Promise<void> {
  const result = await execa("sync", ["-f", directory], { reject: false, stdin: "ignore" });
  if (result.failed) {
    throw new AppError(
      "environment",
      `what was built could not be written: ${result.shortMessage ?? "sync failed"}`,
    );
  }
}
