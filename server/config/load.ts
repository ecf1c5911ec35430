import { readFileSync } from "node:fs";
import { isMap, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { AppError, errnoOf, type Fault, messageOf } from "../lib/errors.ts";
import type { Config } from "./config.ts";
import { checkConfig } from "./schema.ts";

/** Where the configuration lies unless told otherwise. */
export const defaultConfigFile = "/etc/provision/provision.yaml";

/** Reads and checks the head's configuration. @throws AppError("invalid") with every fault, its line and its key. */
export function loadConfig(file: string): Config {
  return parseConfig(readConfigFile(file), file);
}

function readConfigFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") {
      throw new AppError("not-found", `there is no configuration ${file}`, {
        hint: "provision init",
        cause: error,
      });
    }
    throw new AppError("environment", `cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** The configuration in `text`; `file` names it in faults. */
export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const placeOf = (offset: number): string => `${file}:${lines.linePos(offset).line}`;
  const faults: Fault[] = document.errors.map((error) => ({
    place: placeOf(error.pos[0]),
    message: error.message,
  }));
  if (faults.length === 0 && !isMap(document.contents)) {
    faults.push({ place: `${file}:1`, message: "expected settings of the form `key: value`" });
  }
  if (faults.length > 0) throw invalid(file, faults);

  const checked = checkConfig(document.toJS());
  if ("value" in checked) return Object.freeze({ ...checked.value, file });
  const placed = checked.issues.map((issue) => ({
    offset: nearestNode(document.contents, issue.path)?.range?.[0] ?? 0,
    path: issue.path.join("."),
    message: issue.message,
  }));
  placed.sort((left, right) => left.offset - right.offset);
  throw invalid(
    file,
    placed.map(({ offset, path, message }) => ({ place: `${placeOf(offset)}: ${path}`, message })),
  );
}

/** The YAML node at `path`, or the deepest one above it. */
function nearestNode(root: unknown, path: readonly string[]): Node | undefined {
  let nearest = root;
  let inside = root;
  for (const key of path) {
    if (isSeq(inside)) {
      inside = inside.items[Number(key)];
      if (inside === undefined) break;
      nearest = inside;
    } else if (isMap(inside)) {
      const pair = inside.items.find((item) => String(item.key) === key);
      if (pair === undefined) break;
      [nearest, inside] = [pair.key, pair.value];
    } else break;
  }
  return nearest as Node | undefined;
}

function invalid(file: string, faults: readonly Fault[]): AppError {
  return new AppError(
    "invalid",
    `${file} has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}`,
    { faults },
  );
}
