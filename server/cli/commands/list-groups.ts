import type { Command } from "commander";
import { act, type CommandText, define } from "../define.ts";
import type { Surroundings } from "../run.ts";
import { renderTable } from "../table.ts";
import { foldNames } from "../../model/node-range.ts";

const text: CommandText = {
  summary: "list groups, what they set and who is in them",
  description: "Lists groups: their nodes, and what they set for them.",
  examples: [
    ["provision list-groups", "every group"],
    ["provision list-groups --json", "what they set, as JSON"],
  ],
};

/** `provision list-groups` */
export function addListGroups(program: Command, surroundings: Surroundings): void {
  const command = define(program, "list-groups", text);
  act(command, text, "reads", surroundings, async (run) => {
    const { answer, nodes } = await run.head(async (head) => ({
      answer: await head.groups(),
      nodes: run.options.json === true ? [] : (await head.briefNodes()).nodes,
    }));
    if (run.options.json === true) {
      run.json(answer);
      return;
    }
    if (answer.groups.length === 0) {
      run.terminal.err("no groups yet; try: provision add-group compute");
      return;
    }
    const rows = answer.groups.map((group) => ({
      ...group,
      nodes: nodes.filter((node) => node.groups.includes(group.name)).map((node) => node.name),
    }));
    const columns = [
      { title: "NAME", value: (row: (typeof rows)[number]) => row.name },
      {
        title: "COUNT",
        value: (row: (typeof rows)[number]) => String(row.nodes.length),
        align: "right" as const,
      },
      { title: "NODES", value: (row: (typeof rows)[number]) => foldNames(row.nodes) || "-", least: 10 },
      { title: "IMAGE", value: (row: (typeof rows)[number]) => row.image ?? "-", least: 9 },
      { title: "LOADER", value: (row: (typeof rows)[number]) => row.loader ?? "-" },
      {
        title: "KERNEL ARGUMENTS",
        value: (row: (typeof rows)[number]) => row.kernelArguments.join(" ") || "-",
        least: 16,
      },
      {
        title: "DHCP OPTIONS",
        value: (row: (typeof rows)[number]) =>
          row.options.map(({ name, value }) => `${name}=${value}`).join(" ") || "-",
        least: 12,
      },
    ];
    run.terminal.out(renderTable(columns, rows, run.terminal));
  });
}
