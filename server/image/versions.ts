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
  const listings = new ListingCache();
  const versionsOf = (name: string): ImageVersion[] => {
    const { versions, current } = listings.read(path.join(store, name));
    return [...versions].flatMap(
      (version) => imageOf(path.join(store, name, version), manifests, version === current) ?? [],
    );
  };
  const list = (): ImageVersion[] =>
    directoriesOf(store)
      .filter((name) => parseReference(name) !== undefined)
      .flatMap(versionsOf)
      .sort((left, right) => naturalOrder(left.name, right.name) || right.builtAtMs - left.builtAtMs);
  return {
    list,
    find: (reference) => {
      const wanted = parseReference(reference);
      if (wanted === undefined) return undefined;
      const directory = path.join(store, wanted.name);
      const { versions, current } = listings.read(directory);
      const version = wanted.version ?? current;
      if (version === undefined || !versions.has(version)) return undefined;
      return imageOf(path.join(directory, version), manifests, version === current);
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

/** What an image's directory holds; `current`: the version that the link names. A link to anywhere else is not followed. */
type Listing = { versions: ReadonlySet<string>; current: string | undefined };

/**
 * Every script asks for its image, so a directory is read again only when it has changed. Linux stamps changes by its clock's
 * tick, 10 ms at most: what changed so shortly before it was read may change again under the same stamp.
 */
class ListingCache {
  readonly #entries = new Map<string, { stamp: string; listing: Listing }>();

  read(directory: string): Listing {
    const stat = statSync(directory, { throwIfNoEntry: false });
    const stamp = stat === undefined ? "" : `${stat.ino} ${stat.mtimeMs}`;
    const known = this.#entries.get(directory);
    if (known !== undefined && known.stamp === stamp) return known.listing;
    const listing = listingOf(directory);
    const settled = stat !== undefined && Math.abs(Date.now() - stat.mtimeMs) > tickMs;
    if (settled) this.#entries.set(directory, { stamp, listing });
    else this.#entries.delete(directory);
    return listing;
  }
}

const tickMs = 50;

function listingOf(directory: string): Listing {
  const versions = new Set(directoriesOf(directory).filter(isVersionName));
  try {
    return { versions, current: readlinkSync(path.join(directory, currentLink)) };
  } catch {
    return { versions, current: undefined };
  }
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

function directoriesOf(directory: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // no store yet
  }
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
