import { AppError } from "../lib/errors.ts";
import { nearestName } from "./nearest-name.ts";
import { naturalOrder } from "./natural-order.ts";
import { isNodeName } from "./node.ts";
import { type Operand, type RangeItem, type RangeTree, parseRange } from "./node-range-parser.ts";

/** What a range is read against: names of the inventory, in its order. */
export type RangeLookup = {
  hasNode: (name: string) => boolean;
  /** Names of the group's nodes; undefined: there is no such group. */
  group: (name: string) => readonly string[] | undefined;
  all: () => readonly string[];
  /** For the hint after a misspelt group. */
  groupNames?: () => readonly string[];
};

type Unknown = { nodes: Set<string>; groups: Set<string> };

/**
 * The names a range stands for, in the order of first mention, each once. Throws AppError "invalid" for a malformed
 * range and "not-found" for nodes and groups that do not exist, all of them in one error.
 */
export function expandRange(text: string, lookup: RangeLookup): readonly string[] {
  const unknown: Unknown = { nodes: new Set(), groups: new Set() };
  const names = evaluate(parseRange(text), (operand) => namesOf(operand, lookup, unknown));
  if (unknown.nodes.size > 0 || unknown.groups.size > 0) throw notFound(unknown, lookup);
  return names;
}

/**
 * The names a range makes up for nodes that do not exist yet: brackets, `!` and `&` work, groups and `all` are refused
 * since they stand for nodes that do. Every name must be a host name label.
 */
export function expandNewNames(text: string): readonly string[] {
  const names = evaluate(parseRange(text), (operand) => {
    if (operand.kind === "names") return operand.names;
    throw new AppError("invalid", `${operand.text} stands for nodes that exist, it cannot name new ones`, {
      faults: [{ place: "range", message: `${operand.text} cannot name new nodes` }],
      hint: "write the new names themselves: n[001-014]",
    });
  });
  const wrong = names.filter((name) => !isNodeName(name));
  if (wrong.length > 0) {
    throw new AppError("invalid", `not a host name: ${foldNames(wrong)}`, {
      faults: [{ place: "range", message: `not a host name: ${foldNames(wrong)}` }],
      hint: "a node's name has lower-case letters, digits and inner hyphens, at most 63 of them",
    });
  }
  return names;
}

/** First what the plain items name, then, wherever they stand, the items that begin with `!` are taken away. */
function evaluate(tree: RangeTree, namesOfOperand: (operand: Operand) => readonly string[]): string[] {
  const wanted = new Set<string>();
  const unwanted = new Set<string>();
  for (const item of tree.items) {
    for (const name of namesOfItem(item, namesOfOperand)) (item.remove ? unwanted : wanted).add(name);
  }
  return [...wanted].filter((name) => !unwanted.has(name));
}

function namesOfItem(
  item: RangeItem,
  namesOfOperand: (operand: Operand) => readonly string[],
): readonly string[] {
  let names = namesOfOperand(item.first);
  for (const { operator, operand } of item.rest) {
    const others = new Set(namesOfOperand(operand));
    names = names.filter((name) => others.has(name) === (operator === "&"));
  }
  return names;
}

function namesOf(operand: Operand, lookup: RangeLookup, unknown: Unknown): readonly string[] {
  switch (operand.kind) {
    case "all": {
      return lookup.all();
    }
    case "names": {
      for (const name of operand.names) if (!lookup.hasNode(name)) unknown.nodes.add(name);
      return operand.names;
    }
    case "groups": {
      return operand.names.flatMap((name) => {
        const members = lookup.group(name);
        if (members === undefined) unknown.groups.add(name);
        return members ?? [];
      });
    }
  }
}

function notFound(unknown: Unknown, lookup: RangeLookup): AppError {
  const parts: string[] = [];
  if (unknown.nodes.size > 0) parts.push(`no such node: ${foldNames(unknown.nodes)}`);
  if (unknown.groups.size > 0) parts.push(`no such group: ${foldNames(unknown.groups, "@")}`);
  const hint = nodeHint(unknown, lookup) ?? groupHint(unknown, lookup);
  return new AppError("not-found", parts.join("; "), hint === undefined ? {} : { hint });
}

function nodeHint(unknown: Unknown, lookup: RangeLookup): string | undefined {
  const [first] = unknown.nodes;
  if (first === undefined) return undefined;
  // xCAT's way of writing a range is a well-formed host name, so only its absence tells.
  const bare = /^(?<stem>.*?)(?<from>\d+)-\k<stem>(?<to>\d+)$/.exec(first)?.groups;
  if (bare !== undefined) return `${bare["stem"]}[${bare["from"]}-${bare["to"]}], as ranges are written`;
  if (lookup.group(first) !== undefined) return `@${first}, which is a group`;
  const near = nearestName(first, lookup.all());
  return near === undefined ? undefined : `${near}, the nearest name that there is`;
}

function groupHint(unknown: Unknown, lookup: RangeLookup): string | undefined {
  const [first] = unknown.groups;
  if (first === undefined) return undefined;
  const near = nearestName(first, lookup.groupNames?.() ?? []);
  return near === undefined ? undefined : `@${near}, the nearest name that there is`;
}

/** A family of names: the texts between the numbers, and for each number the values it takes, as written. */
type Family = { texts: readonly string[]; numbers: readonly (readonly string[])[] };

/**
 * The shortest usual way to write names down, `n[001-014,020]`; the inverse of expandRange for names. Each comes once,
 * in natural order. `prefix` goes before every item (`@` for groups).
 */
export function foldNames(names: Iterable<string>, prefix = ""): string {
  const families = new Map<string, Family[]>();
  for (const name of new Set(names)) {
    const { key, family } = split(name);
    const list = families.get(key);
    if (list === undefined) families.set(key, [family]);
    else list.push(family);
  }
  const items = [...families.values()].flatMap((family) => mergeAxes(family).map(format));
  return items
    .sort(naturalOrder)
    .map((item) => prefix + item)
    .join(",");
}

/** Digits longer than this are text: they would not survive as a number. */
const maxDigits = 15;

function split(name: string): { key: string; family: Family } {
  const texts: string[] = [""];
  const numbers: string[][] = [];
  for (const piece of name.match(/\d+|\D+/g) ?? []) {
    const isNumber = /^\d/.test(piece) && piece.length <= maxDigits;
    if (isNumber) {
      numbers.push([piece]);
      texts.push("");
    } else texts[texts.length - 1] += piece;
  }
  return { key: JSON.stringify(texts), family: { texts, numbers } };
}

/** Joins families that differ in one number only, last number first, so that r1n1…r2n4 ends as r[1-2]n[1-4]. */
function mergeAxes(families: readonly Family[]): readonly Family[] {
  let merged = families;
  const axes = families[0]?.numbers.length ?? 0;
  for (let axis = axes - 1; axis >= 0; axis -= 1) {
    const groups = Map.groupBy(merged, ({ numbers }) =>
      JSON.stringify(numbers.map((values, index) => (index === axis ? [] : values.toSorted()))),
    );
    merged = [...groups.values()].map((group) => joinOn(axis, group));
  }
  return merged;
}

function joinOn(axis: number, group: readonly Family[]): Family {
  const values = group.flatMap((family) => family.numbers[axis] ?? []);
  const [first] = group;
  if (first === undefined) throw new Error("a group of families is never empty");
  return { texts: first.texts, numbers: first.numbers.with(axis, values) };
}

function format({ texts, numbers }: Family): string {
  return texts.map((text, index) => text + formatNumbers(numbers[index] ?? [])).join("");
}

function formatNumbers(values: readonly string[]): string {
  const [first] = values;
  if (values.length <= 1) return first ?? "";
  const left = new Set(values.toSorted((a, b) => Number(a) - Number(b) || a.length - b.length));
  const parts: string[] = [];
  for (const from of left) {
    let to = from;
    // A run begins at `from`, and keeps its padding; each member is taken out, so that it is in one run only.
    for (let next = successor(from, to); left.has(next); next = successor(from, to)) {
      left.delete(next);
      to = next;
    }
    parts.push(from === to ? from : `${from}-${to}`);
  }
  return `[${parts.join(",")}]`;
}

function successor(from: string, value: string): string {
  const width = from.startsWith("0") ? from.length : 1;
  return String(Number(value) + 1).padStart(width, "0");
}
