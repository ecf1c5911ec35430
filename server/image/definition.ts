import { accessSync, constants, readFileSync } from "node:fs";
import path from "node:path";
import { LineCounter, type Node, parseDocument } from "yaml";
import { z } from "zod";
import { AppError, type Fault, errnoOf, messageOf } from "../lib/errors.ts";

/** What an image is made of: `image.yaml` of its definition's directory. */
export type ImageDefinition = {
  name: string;
  suite: string;
  components: readonly string[];
  architectures: readonly ImageArchitecture[];
  /** Seconds since 1970: no file of the image is younger. */
  sourceDateEpoch: number;
  variant: string;
  packages: readonly string[];
  packagesByArchitecture: Partial<Readonly<Record<ImageArchitecture, readonly string[]>>>;
  dpkgExclude: readonly string[];
  dpkgInclude: readonly string[];
  kernelArguments: readonly string[];
  dracut: { modules: readonly string[]; drivers: readonly string[] };
};

export type ImageArchitecture = "amd64" | "arm64";

/** File names of a definition's directory. */
export const definitionFile = "image.yaml";
export const customizeScript = "customize.sh";

/** All of these end up as arguments of programs, most of them in lists separated by commas or spaces. */
const word = (pattern: RegExp, what: string) => z.string().regex(pattern, `this is no ${what}`);
const debianPackage = word(/^[a-z0-9][a-z0-9+.-]+(?::[a-z0-9]+)?$/, "package name");
const pathPattern = word(/^\/[^\s,'"\\]*$/, "absolute path pattern");
const initrdName = word(/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/, "name of a dracut module or kernel driver");
const suiteName = word(/^[a-z][a-z0-9-]*$/, "suite or component");
const architecture = z.enum(["amd64", "arm64"]);

const schema = z.strictObject({
  name: word(
    /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/,
    "image name: lower-case letters, digits, dots and hyphens",
  ),
  suite: suiteName,
  components: z.array(suiteName).min(1),
  architectures: z.array(architecture).min(1),
  sourceDateEpoch: z.int().nonnegative(),
  variant: z.enum(["essential", "apt", "required", "minbase", "important", "debootstrap", "standard"]),
  packages: z.array(debianPackage),
  packagesByArchitecture: z.partialRecord(architecture, z.array(debianPackage)).default({}),
  dpkgExclude: z.array(pathPattern).default([]),
  dpkgInclude: z.array(pathPattern).default([]),
  kernelArguments: z.array(word(/^\S+$/, "kernel argument: it has a blank")).default([]),
  dracut: z.strictObject({ modules: z.array(initrdName).min(1), drivers: z.array(initrdName) }),
});

/** Reads a definition's directory; throws one error with every fault of its file. */
export function readDefinition(directory: string): ImageDefinition {
  const file = path.join(directory, definitionFile);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const missing = errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR";
    throw new AppError(missing ? "not-found" : "environment", `cannot read ${file}: ${messageOf(error)}`, {
      hint: `an image's definition is a directory with ${definitionFile} in it`,
      cause: error,
    });
  }
  const definition = parseDefinition(text, file);
  const script = path.join(directory, customizeScript);
  try {
    accessSync(script, constants.X_OK);
  } catch (error) {
    throw invalid(file, [{ place: script, message: `it must be there and executable: ${messageOf(error)}` }]);
  }
  return definition;
}

/** The definition in the text; `file` is for messages. */
export function parseDefinition(text: string, file: string): ImageDefinition {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const at = (offset: number | undefined): string => {
    return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
  };
  if (document.errors.length > 0) {
    throw invalid(
      file,
      document.errors.map((error) => ({
        place: at(error.pos[0]),
        message: error.message.split("\n")[0] ?? error.message,
      })),
    );
  }
  const result = schema.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  const offsetOf = (keys: readonly PropertyKey[]): number | undefined => {
    // What is missing has no line of its own: take that of what should hold it.
    for (let length = keys.length; length > 0; length -= 1) {
      const node = document.getIn(keys.slice(0, length), true) as Node | undefined;
      if (node?.range !== undefined && node.range !== null) return node.range[0];
    }
    return undefined;
  };
  const faults = result.error.issues.flatMap((issue) => {
    // One issue may stand for several unknown keys.
    const paths =
      issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    return paths.map((keys) => ({
      place: `${at(offsetOf(keys))} ${keyPath(keys)}`,
      message: issue.code === "unrecognized_keys" ? "unknown key" : issue.message,
    }));
  });
  throw invalid(file, faults);
}

function invalid(file: string, faults: readonly Fault[]): AppError {
  return new AppError("invalid", `${file} is not a valid image definition`, { faults });
}

/** `packages[3]`, `dracut.modules` */
function keyPath(keys: readonly PropertyKey[]): string {
  return keys
    .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index === 0 ? "" : "."}${String(key)}`))
    .join("");
}
