import type { Command } from "commander";
import type { NodeAnswer } from "../../model/answers.ts";
import type { DiskReport, Hardware, NicReport } from "../../../agent/contract.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatAge, formatBytes, formatTime } from "../format.ts";
import { phaseStyle } from "../phase-style.ts";
import type { Surroundings } from "../run.ts";
import { renderFields } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const text: CommandText = {
  summary: "show all that is known of nodes",
  description: `Shows all that is known of each node of a range: what the inventory says, where it stands, what hardware and load it reported last. The JSON has the shape of list-nodes.`,
  examples: [
    ["provision show-node n001", "one node"],
    ["provision show-node 'n[001-002]' --json", "two, as JSON"],
  ],
};

/** `provision show-node` */
export function addShowNode(program: Command, surroundings: Surroundings): void {
  const command = define(program, "show-node", text).argument(
    "<range>",
    "nodes to show (provision help ranges)",
  );
  act(command, text, "reads", surroundings, async (run, range = "") => {
    const answer = await run.head((head) => head.nodes(range));
    if (run.options.json === true) {
      run.json(answer);
      return;
    }
    const { paint } = run.terminal;
    run.terminal.out(answer.nodes.map((node) => renderFields(fieldsOf(node, paint), paint)).join("\n\n"));
  });
}

function fieldsOf(node: NodeAnswer, paint: Terminal["paint"]): (readonly [string, string])[] {
  const nowMs = Date.now();
  const ago = (atMs: number | undefined): string =>
    atMs === undefined ? "never" : `${formatAge(atMs, nowMs)} (${formatTime(atMs)})`;
  return [
    ["name", node.name],
    ["phase", `${node.phase}${node.phaseSinceMs === undefined ? "" : `, since ${ago(node.phaseSinceMs)}`}`],
    ["heartbeat", ago(node.lastHeartbeatMs)],
    ["address", node.ip],
    ["ports", node.macs.join("\n") || "none"],
    ...(node.uuid === undefined ? [] : [["uuid", node.uuid] as const]),
    ...(node.clientIds.length === 0 ? [] : [["client identifiers", node.clientIds.join("\n")] as const]),
    ...(node.relayPort === undefined ? [] : [["switch port", node.relayPort] as const]),
    ["groups", node.groups.join(", ") || "none"],
    ["image", `${node.effectiveImage} (${node.imageFrom})`],
    ["loader", `${node.effectiveLoader} (${node.loaderFrom})`],
    ["kernel arguments", node.kernelArguments.join(" ") || "none of its own"],
    [
      "dhcp options",
      node.options.map(({ name, value }) => `${name}=${value}`).join("\n") || "none of its own",
    ],
    ["machine id", node.machineId],
    ["ssh host key", node.sshHostKey],
    ["added", ago(node.addedAtMs)],
    ...(node.load === undefined ? [] : loadFields(node.load)),
    ...(node.hardware === undefined ? [] : hardwareFields(node.hardware)),
  ].map(([name = "", value = ""]) => [name, name === "phase" ? paint(phaseStyle(node.phase), value) : value]);
}

function loadFields(load: NonNullable<NodeAnswer["load"]>): (readonly [string, string])[] {
  return [
    [
      "load",
      `${load.average.map((value) => value.toFixed(2)).join(" ")} over 1, 5, 15 min; ${load.runnable} runnable; processors ${Math.round(load.cpuBusy * 100)} % busy`,
    ],
    ["memory available", formatBytes(load.memoryAvailableBytes)],
  ];
}

function hardwareFields(hardware: Hardware): (readonly [string, string])[] {
  const { cpu } = hardware;
  const maker = [hardware.vendor, hardware.product].filter((word) => word !== undefined).join(" ");
  return [
    [
      "machine",
      `${maker || "unknown"}, ${hardware.firmware}${hardware.uuid === undefined ? "" : `, ${hardware.uuid}`}`,
    ],
    ["kernel", hardware.kernel],
    [
      "processor",
      `${cpu.model}, ${cpu.mhz} MHz; ${plural(cpu.sockets, "socket")}, ${plural(cpu.cores, "core")}, ${plural(cpu.threads, "thread")}`,
    ],
    ["memory", formatBytes(hardware.memoryBytes)],
    ["network ports", hardware.nics.map(nicLine).join("\n") || "none"],
    ["disks", hardware.disks.map(diskLine).join("\n") || "none"],
  ];
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function nicLine(nic: NicReport): string {
  const speed = nic.speedMbps === undefined ? "" : ` ${nic.speedMbps} Mbit/s`;
  const place = [nic.pciAddress, nic.pciId, nic.pciSubsystemId].filter((word) => word !== undefined);
  const words = [nic.name, nic.mac, nic.driver, nic.linkUp ? `link up${speed}` : "no link", ...place];
  return `${words.join("  ")}${nic.port > 0 ? `  port ${nic.port} of its card` : ""}`;
}

function diskLine(disk: DiskReport): string {
  const words = [disk.name, formatBytes(disk.bytes), disk.rotational ? "rotational" : "solid-state"];
  return [...words, disk.model, disk.serial, disk.path].filter((word) => word !== undefined).join("  ");
}
