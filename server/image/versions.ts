import {
  type Dirent,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { AppError, messageOf } from "../lib/errors.ts";
import type { ImageCatalog, ImageVersion } from "../model/image.ts";
import { naturalOrder } from "../model/natural-order.ts";
import {
  type Manifest,
  currentLink,
  isVersionName,
  manifestSchema,
  parseReference,
  versionFiles,
} from "./manifest.ts";

/**
 * The image store: `<store>/<name>/<version>/{rootfs/,vmlinuz,initrd.img,manifest.json}`, and `<store>/<name>/current`,
 * a link to the version that nodes boot which name only the image. Anything else in it is passed over: half-built
 * versions, logs, what an administrator has put there.
 */
export function createImageCatalog(store: string): ImageCatalog {
  const manifests = new ManifestCache();
  const list = (): ImageVersion[] =>
    directoriesOf(store)
      .filter((name) => parseReference(name) !== undefined)
      .flatMap((name) => versionsOf(path.join(store, name), manifests))
      .sort((left, right) => naturalOrder(left.name, right.name) || right.builtAtMs - left.builtAtMs);
  return {
    list,
    find: (reference) => {
      const wanted = parseReference(reference);
      if (wanted === undefined) return undefined;
      return versionsOf(path.join(store, wanted.name), manifests).find((image) =>
        wanted.version === undefined ? image.current : image.version === wanted.version,
      );
    },
  };
}

/** Lets nodes that name only the image boot this version from now on. In one step: there is always a current one. */
export function makeCurrent(store: string, name: string, version: string): void {
  const directory = path.join(store, name);
  const link = path.join(directory, `.${currentLink}-${process.pid}`);
  try {
    rmSync(link, { force: true });
    symlinkSync(version, link);
    renameSync(link, path.join(directory, currentLink));
  } catch (error) {
    rmSync(link, { force: true });
    throw new AppError("environment", `cannot make ${name}@${version} current: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function versionsOf(directory: string, manifests: ManifestCache): ImageVersion[] {
  const current = currentOf(directory);
  return directoriesOf(directory)
    .filter(isVersionName)
    .flatMap((version) => {
      const image = imageOf(path.join(directory, version), manifests, version === current);
      return image === undefined ? [] : [image];
    });
}

/** Undefined for what no build has finished. What somebody took away later is for the boot path to complain of. */
function imageOf(directory: string, manifests: ManifestCache, current: boolean): ImageVersion | undefined {
  const manifest = manifests.read(path.join(directory, versionFiles.manifest));
  const place = (file: string): string => path.join(directory, file);
  if (manifest === undefined || manifest.version !== path.basename(directory)) return undefined;
  if (manifest.name !== path.basename(path.dirname(directory))) return undefined;
  return {
    name: manifest.name,
    version: manifest.version,
    architecture: manifest.architecture,
    root: place(versionFiles.root),
    kernel: place(versionFiles.kernel),
    initrd: place(versionFiles.initrd),
    kernelVersion: manifest.kernelVersion,
    kernelArguments: manifest.kernelArguments,
    builtAtMs: manifest.builtAtMs,
    inputsDigest: manifest.inputsDigest,
    current,
    bytes: manifest.bytes,
  };
}

/** Manifests never change in place; their files are read again only when they look different. */
class ManifestCache {
  readonly #entries = new Map<string, { stamp: string; manifest: Manifest | undefined }>();

  read(file: string): Manifest | undefined {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) {
      this.#entries.delete(file);
      return undefined;
    }
    const stamp = `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    const known = this.#entries.get(file);
    if (known?.stamp === stamp) return known.manifest;
    const manifest = parseManifest(file);
    this.#entries.set(file, { stamp, manifest });
    return manifest;
  }
}

function parseManifest(file: string): Manifest | undefined {
  try {
    return manifestSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    return undefined; // another program's, or cut short by a full disk
  }
}

/** The version that the link names. A link to anywhere else is not followed. */
function currentOf(directory: string): string | undefined {
  try {
    return readlinkSync(path.join(directory, currentLink));
  } catch {
    return undefined;
  }
}

function directoriesOf(directory: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // no store yet
  }
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
