import type { Command } from "commander";
import { reportChange } from "../changes.ts";
import { act, type CommandText, define } from "../define.ts";
import type { Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "take nodes out of the inventory",
  description: `Takes nodes out of the inventory: their addresses become free, and their ports are unknown machines when they boot next. A node that runs goes on running until then. There is no question first: see --dry-run.`,
  examples: [
    ["provision remove-node n014", "take out one node"],
    ["provision remove-node '@old,!n003' --dry-run", "only say which ones it would be"],
  ],
};

/** `provision remove-node` */
export function addRemoveNode(program: Command, surroundings: Surroundings): void {
  const command = define(program, "remove-node", text).argument(
    "<range>",
    "nodes to take out (provision help ranges)",
  );
  act(command, text, "changes", surroundings, async (run, range = "") => {
    const request = { range, ...(run.options.dryRun === true ? { dryRun: true } : {}) };
    const answer = await run.head((head) => head.removeNodes(request));
    return reportChange(run, { done: "removed", wouldBe: "would remove" }, answer);
  });
}
