import type { Command } from "commander";
import { reportChange } from "../changes.ts";
import { act, type CommandText, define } from "../define.ts";
import type { Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "remove a group",
  description: `Removes a group. Its nodes stay in the inventory and lose what it set when they boot next.`,
  examples: [
    ["provision remove-group debug", "remove it"],
    ["provision remove-group debug --dry-run", "say what that would change"],
  ],
};

/** `provision remove-group` */
export function addRemoveGroup(program: Command, surroundings: Surroundings): void {
  const command = define(program, "remove-group", text).argument("<name>", "name of the group");
  act(command, text, "changes", surroundings, async (run, name = "") => {
    const request = { name, ...(run.options.dryRun === true ? { dryRun: true } : {}) };
    const answer = await run.head((head) => head.removeGroup(request));
    return reportChange(run, { done: "removed", wouldBe: "would remove" }, answer);
  });
}
