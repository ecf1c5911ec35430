import type { Command } from "commander";
import { reportChange } from "../changes.ts";
import { act, type CommandText, define } from "../define.ts";
import { addGroupFlags, type GroupFlags, groupValues } from "../group-flags.ts";

import type { Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "make a group of nodes",
  description: `Makes a group, which nodes join with --group of add-node and set-node, and which stands for them in ranges as @NAME. What a group sets holds for its nodes unless they set it themselves; of several groups the one that a node names first wins.`,
  examples: [
    ["provision add-group compute", "a group that sets nothing"],
    [
      "provision add-group debug --image debian-13 --kernel-argument loglevel=7",
      "a group whose nodes boot talkatively",
    ],
  ],
};

/** `provision add-group` */
export function addAddGroup(program: Command, surroundings: Surroundings): void {
  const command = define(program, "add-group", text).argument("<name>", "name of the group");
  addGroupFlags(command);
  act<GroupFlags>(command, text, "changes", surroundings, async (run, name = "") => {
    const values = groupValues(run.options);

    const request = { name, ...values, ...(run.options.dryRun === true ? { dryRun: true } : {}) };
    const answer = await run.head((head) => head.addGroup(request));
    return reportChange(run, { done: "added", wouldBe: "would add" }, answer);
  });
}
