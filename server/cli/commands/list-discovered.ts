import type { Command } from "commander";
import type { DiscoveredAnswerMachine } from "../../model/answers.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatAge } from "../format.ts";
import type { Surroundings } from "../run.ts";
import { type Column, renderTable } from "../table.ts";

const text: CommandText = {
  summary: "list machines that asked for a boot and are in no node",
  description: `Lists machines that were seen asking for an address or a boot and whose port belongs to no node, in the order seen. Switch a rack's machines on one by one, and this is the order they can be added in.`,
  examples: [
    ["provision list-discovered", "every machine seen"],
    ["provision add-node n015 --from-discovered", "make the first one a node"],
    ["provision add-node n016 --from-discovered=52:54:00:aa:00:07", "make this one a node"],
  ],
};

/** `provision list-discovered` */
export function addListDiscovered(program: Command, surroundings: Surroundings): void {
  const command = define(program, "list-discovered", text);
  act(command, text, "reads", surroundings, async (run) => {
    const answer = await run.head((head) => head.discovered());
    if (run.options.json === true) run.json(answer);
    else if (answer.machines.length === 0) run.terminal.err("no unknown machine has been seen");
    else
      run.terminal.out(renderTable(columnsFor(answer.machines, Date.now()), answer.machines, run.terminal));
  });
}

/** UUIDs are long, and only machines behind a relay have a switch port: columns for those where there are any. */
function columnsFor(
  machines: readonly DiscoveredAnswerMachine[],
  nowMs: number,
): readonly Column<DiscoveredAnswerMachine>[] {
  return [
    { title: "MAC", value: (machine) => machine.mac },
    { title: "FIRMWARE", value: (machine) => machine.firmware ?? "-" },
    { title: "ADDRESS", value: (machine) => machine.ip ?? "-" },
    ...(machines.some(({ uuid }) => uuid !== undefined)
      ? [{ title: "UUID", value: (machine: DiscoveredAnswerMachine) => machine.uuid ?? "-" }]
      : []),
    ...(machines.some(({ relayPort }) => relayPort !== undefined)
      ? [{ title: "SWITCH PORT", value: (machine: DiscoveredAnswerMachine) => machine.relayPort ?? "-" }]
      : []),
    { title: "VENDOR CLASS", value: (machine) => machine.vendorClass ?? "-", least: 12 },
    { title: "FIRST SEEN", value: (machine) => formatAge(machine.firstSeenMs, nowMs), align: "right" },
    { title: "LAST SEEN", value: (machine) => formatAge(machine.lastSeenMs, nowMs), align: "right" },
  ];
}
