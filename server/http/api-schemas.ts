import { z } from "zod";
import type {
  AddNodesRequest,
  RemoveNodesRequest,
  SetGroupRequest,
  SetNodesRequest,
} from "../model/answers.ts";

/** The shapes of changing requests; what their texts mean is checked by the inventory, all faults together. */

const text = z.string().max(100_000);
const texts = z.array(text).max(10_000);
const dryRun = z.boolean().exactOptional();
const settings = {
  image: text.exactOptional(),
  loader: text.exactOptional(),
  kernelArguments: texts.exactOptional(),
  options: texts.exactOptional(),
  dryRun,
};
const identifiers = {
  macs: texts.exactOptional(),
  uuid: text.exactOptional(),
  clientIds: texts.exactOptional(),
  relayPort: text.exactOptional(),
};

export const addNodesSchema: z.ZodType<AddNodesRequest> = z.strictObject({
  range: text,
  ...identifiers,
  ip: text.exactOptional(),
  groups: texts.exactOptional(),
  fromDiscovered: z.union([texts, z.literal(true)]).exactOptional(),
  ...settings,
});

export const setNodesSchema: z.ZodType<SetNodesRequest> = z.strictObject({
  range: text,
  ...identifiers,
  addMacs: texts.exactOptional(),
  ip: text.exactOptional(),
  groups: texts.exactOptional(),
  rename: text.exactOptional(),
  ...settings,
});

export const removeNodesSchema: z.ZodType<RemoveNodesRequest> = z.strictObject({
  range: text,
  force: z.boolean().exactOptional(),
  dryRun,
});

export const setGroupSchema: z.ZodType<SetGroupRequest> = z.strictObject({ name: text, ...settings });

export const removeGroupSchema = z.strictObject({ name: text, dryRun });
