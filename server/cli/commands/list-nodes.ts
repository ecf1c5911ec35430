import type { Command } from "commander";
import type { BriefNodeAnswer } from "../../model/answers.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatAge, formatBytes } from "../format.ts";
import { phaseStyle } from "../phase-style.ts";
import type { Surroundings } from "../run.ts";
import { type Column, renderTable } from "../table.ts";

const text: CommandText = {
  summary: "list nodes: phase, addresses, image, hardware, heartbeat",
  description: `Lists nodes, one on a line.

PHASE is where the node stands: new (never seen to boot), then the steps of a boot in order: offered, loader, script, kernel, initrd, overlay, starting, root, up; or lost (no heartbeat for more than 8 s), down (shut down in order), failed (it said why: provision why).
NICS are the ports that the node's system has; "-" after one means that it has no link.`,
  examples: [
    ["provision list-nodes", "every node"],
    ["provision list-nodes 'n[001-004],@gpu'", "those of a range"],
    ["provision list-nodes --group compute", "those of a group; the same as the range @compute"],
    [
      "provision list-nodes --json | jq -r '.nodes[] | select(.phase != \"up\").name'",
      "names of those that are not up",
    ],
    ["watch -n 1 provision list-nodes", "a live table"],
  ],
};

/** `provision list-nodes` */
export function addListNodes(program: Command, surroundings: Surroundings): void {
  const command = define(program, "list-nodes", text)
    .argument("[range]", "nodes to list (default: all; provision help ranges)")
    .option("--group <group>", "only nodes of this group");
  act<{ group?: string }>(command, text, "reads", surroundings, async (run, range) => {
    const { group } = run.options;
    const wanted = group === undefined ? range : range === undefined ? `@${group}` : inGroup(range, group);
    if (run.options.json === true) return run.json(await run.head((head) => head.nodes(wanted)));
    const answer = await run.head((head) => head.briefNodes(wanted));
    if (answer.nodes.length > 0) {
      run.terminal.out(renderTable(nodeColumns(Date.now()), answer.nodes, run.terminal));
    } else if (wanted === undefined) {
      run.terminal.err("no nodes yet; try: provision add-node n001 --from-discovered");
    }
  });
}

/** Every node that the range names, less those outside the group: "&" binds to one item only. */
function inGroup(range: string, group: string): string {
  return `${range},!all!@${group}`;
}

function nodeColumns(nowMs: number): readonly Column<BriefNodeAnswer>[] {
  return [
    { title: "NAME", value: (node) => node.name },
    { title: "PHASE", value: (node) => node.phase, style: (node) => phaseStyle(node.phase) },
    { title: "IP", value: (node) => node.ip },
    { title: "MAC", value: (node) => node.macs.join(",") || "-", least: 17 },
    { title: "GROUPS", value: (node) => node.groups.join(",") || "-", least: 7 },
    { title: "IMAGE", value: (node) => node.effectiveImage, least: 9 },
    { title: "CPU", value: cpuOf, least: 6 },
    {
      title: "MEMORY",
      value: (node) => (node.hardware === undefined ? "-" : formatBytes(node.hardware.memoryBytes)),
      align: "right",
    },
    { title: "NICS", value: nicsOf, least: 6 },
    {
      title: "HEARTBEAT",
      value: (node) => (node.lastHeartbeatMs === undefined ? "-" : formatAge(node.lastHeartbeatMs, nowMs)),
      align: "right",
    },
  ];
}

function cpuOf({ hardware }: BriefNodeAnswer): string {
  return hardware === undefined ? "-" : `${hardware.cpu.threads} × ${hardware.cpu.model}`;
}

function nicsOf({ hardware }: BriefNodeAnswer): string {
  return hardware?.nics.map((nic) => nic.name + (nic.linkUp ? "" : "-")).join(",") || "-";
}
