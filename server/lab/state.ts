import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { AppError } from "../lib/errors.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { parseMac } from "../lib/mac.ts";
import { firmwares } from "./firmware.ts";
import { type LabPaths, nameFlag } from "./paths.ts";

const processIdentity = z.strictObject({ pid: z.int().min(2), startTicks: z.int().min(0) });

const machine = z.strictObject({
  name: z.string(),
  /** Counts up from 1; MAC, address and device follow from it. */
  index: z.int().min(1),
  firmware: z.enum(firmwares),
  mac: z.string().transform((text, context) => parseMac(text) ?? wrong(context, "a MAC address")),
  ip: z.string().transform((text, context) => parseIpv4(text) ?? wrong(context, "an IPv4 address")),
  /** QEMU; absent: never started, or switched off. */
  process: processIdentity.exactOptional(),
  /** When it was switched on last. */
  startedAtMs: z.number(),
});

const state = z.strictObject({
  version: z.literal(1),
  /** `provision lab up` while it runs. */
  maker: processIdentity.exactOptional(),
  head: processIdentity.exactOptional(),
  accelerator: z.enum(["kvm", "tcg"]),
  /** Why this accelerator, in words. */
  acceleratorReason: z.string(),
  memoryMiB: z.int(),
  cpus: z.int(),
  createdAtMs: z.number(),
  machines: z.array(machine),
});

/** One machine of the lab. */
export type LabMachine = Readonly<z.output<typeof machine>>;

/** What a lab is made of, kept in `state.json` for the commands that come later. */
export type LabState = Readonly<Omit<z.output<typeof state>, "machines">> & {
  readonly machines: readonly LabMachine[];
};

function wrong(context: z.RefinementCtx, expected: string): never {
  context.addIssue({ code: "custom", message: `expected ${expected}` });
  return z.NEVER;
}

/** Undefined when the text is no state of a lab: `lab up` was killed while it wrote the first one. */
export function parseState(text: string): LabState | undefined {
  try {
    const result = state.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined when there is none, or none that can be read. */
export function readState(file: string): LabState | undefined {
  try {
    return parseState(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** @throws AppError("not-found") when no such lab is up */
export function openState(paths: LabPaths): LabState {
  const found = readState(paths.state);
  if (found !== undefined) return found;
  const message = paths.name === "" ? "no lab is up" : `no lab called ${paths.name} is up`;
  throw new AppError("not-found", message, { hint: `provision lab up${nameFlag(paths)}` });
}

/** In one step: a reader sees the old state or the new one. */
export function writeState(file: string, value: LabState): void {
  const next = `${file}.new`;
  writeFileSync(next, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(next, file);
}

/** The state with one machine replaced, or added. */
export function withMachine(value: LabState, changed: LabMachine): LabState {
  const others = value.machines.filter((other) => other.name !== changed.name);
  return { ...value, machines: [...others, changed].sort((left, right) => left.index - right.index) };
}

/** The lowest number that no machine has. */
export function freeIndex(value: LabState): number {
  const taken = new Set(value.machines.map((other) => other.index));
  let index = 1;
  while (taken.has(index)) index += 1;
  return index;
}

/** Reads, changes and writes at once, so that commands at the same time do not undo one another's changes. */
export function changeState(file: string, change: (before: LabState) => LabState): LabState {
  const before = readState(file);
  if (before === undefined) throw new AppError("unavailable", "the lab has been removed meanwhile");
  const after = change(before);
  writeState(file, after);
  return after;
}
