import type { Command } from "commander";
import { reportChange } from "../changes.ts";
import { act, type CommandText, define } from "../define.ts";
import { addGroupFlags, type GroupFlags, groupValues } from "../group-flags.ts";
import { usageError } from "../problem.ts";
import type { Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "change a group",
  description: `Changes what a group sets for its nodes; they take it when they boot next. What is not named stays as it is.`,
  examples: [
    [
      "provision set-group compute --image debian-13@20261122-3f9a1c04",
      "its nodes boot this version from now on",
    ],
    ["provision set-group compute --no-image --no-kernel-argument", "it sets nothing any more"],
  ],
};

/** `provision set-group` */
export function addSetGroup(program: Command, surroundings: Surroundings): void {
  const command = define(program, "set-group", text).argument("<name>", "name of the group");
  addGroupFlags(command);
  act<GroupFlags>(command, text, "changes", surroundings, async (run, name = "") => {
    const values = groupValues(run.options);
    if (Object.keys(values).length === 0) {
      throw usageError("", "nothing to change was given", "provision help set-group");
    }
    const request = { name, ...values, ...(run.options.dryRun === true ? { dryRun: true } : {}) };
    const answer = await run.head((head) => head.setGroup(request));
    return reportChange(run, { done: "changed", wouldBe: "would change" }, answer);
  });
}
