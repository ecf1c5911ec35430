import type { Command } from "commander";
import type { SetNodesRequest } from "../../model/answers.ts";
import { loaderKinds } from "../../model/arch.ts";
import { reportChange } from "../changes.ts";
import { act, collect, collectList, type CommandText, define } from "../define.ts";
import { usageError } from "../problem.ts";
import type { Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "change nodes",
  description: `Changes the nodes of a range. A head that runs serves the new values from the same moment; what a node was given already stays until it boots or asks for its address again.

A flag replaces the value, except --add-mac. What is not named stays as it is.`,
  examples: [
    ["provision set-node '@compute' --image debian-13@20261122-3f9a1c04", "pin a version for a whole group"],
    ["provision set-node '@compute' --no-image", "back to the group's image, else the head's"],
    ["provision set-node n003 --add-mac 52:54:00:aa:00:03", "one more port by which n003 may boot"],
    ["provision set-node 'n[001-014]' --ip 10.0.2.1+ --dry-run", "say what would change"],
    ["provision set-node n007 --loader grub", "its firmware starts GRUB instead of what the others start"],
    ["provision set-node n003 --rename login1", "another name"],
  ],
};

type Options = {
  mac?: readonly string[];
  addMac?: readonly string[];
  uuid?: string | false;
  clientId?: readonly string[] | false;
  relayPort?: string | false;
  option?: readonly string[] | false;
  ip?: string;
  group?: readonly string[] | false;
  image?: string | false;
  loader?: string | false;
  kernelArgument?: readonly string[] | false;
  rename?: string;
};

/** `provision set-node` */
export function addSetNode(program: Command, surroundings: Surroundings): void {
  const command = define(program, "set-node", text)
    .argument("<range>", "nodes to change (provision help ranges)")
    .option(
      "--mac <macs>",
      "replace the ports, given once for each port: a MAC address, MAC+ counting up node by node, or one for each node with commas",
      collect,
    )
    .option("--add-mac <macs>", "one more port, in the same forms", collect)
    .option("--uuid <uuids>", "SMBIOS UUID, or one for each node with commas")
    .option("--no-uuid", "not known by a UUID")
    .option(
      "--client-id <ids>",
      "replace the DHCP client identifiers, given once for each, in hexadecimal or as text:…; commas part one for each node",
      replaceWithOne,
    )
    .option("--no-client-id", "not known by a client identifier")
    .option(
      "--relay-port <ports>",
      "switch port as REMOTE/CIRCUIT of DHCP option 82 (DHCPv6: 37 and 18), each as text or hex:…, + after it to count up, or one for each node with commas",
    )
    .option("--no-relay-port", "not known by its switch port")
    .option(
      "--ip <addresses>",
      "an address, ADDRESS+ counting up node by node, or one for each node with commas",
    )
    .option("--group <groups>", "replace the groups, with commas or given several times", replaceList)
    .option("--no-group", "be in no group")
    .option("--image <image>", "image to boot, NAME or NAME@VERSION")
    .option("--no-image", "no image of its own: the group's, else the head's")
    .option("--loader <loader>", `what its firmware starts: ${loaderKinds.join(", ")}`)
    .option("--no-loader", "no loader of its own: the group's, else the head's")
    .option(
      "--kernel-argument <argument>",
      "replace the kernel arguments; given once for each",
      replaceWithOne,
    )
    .option("--no-kernel-argument", "no kernel arguments of its own")
    .option(
      "--option <option>",
      "replace the DHCP options with NAME=VALUE (provision help options); given once for each",
      replaceWithOne,
    )
    .option("--no-option", "no DHCP options of its own")
    .option("--rename <name>", "a new name, for a single node");
  act<Options>(command, text, "changes", surroundings, async (run, range = "") => {
    const changes = changesOf(run.options);
    if (Object.keys(changes).length === 0) {
      throw usageError("", "nothing to change was given", "provision help set-node");
    }
    const request = { range, ...changes, ...(run.options.dryRun === true ? { dryRun: true } : {}) };
    const answer = await run.head((head) => head.setNodes(request));
    return reportChange(run, { done: "changed", wouldBe: "would change" }, answer);
  });
}

function changesOf(options: Options): Omit<SetNodesRequest, "range" | "dryRun"> {
  const { mac, addMac, uuid, clientId, relayPort, ip, group, image, loader, kernelArgument, option, rename } =
    options;
  return {
    ...(mac === undefined ? {} : { macs: mac }),
    ...(addMac === undefined ? {} : { addMacs: addMac }),
    ...(uuid === undefined ? {} : { uuid: uuid === false ? "" : uuid }),
    ...(clientId === undefined ? {} : { clientIds: clientId === false ? [] : clientId }),
    ...(relayPort === undefined ? {} : { relayPort: relayPort === false ? "" : relayPort }),
    ...(option === undefined ? {} : { options: option === false ? [] : option }),
    ...(ip === undefined ? {} : { ip }),
    ...(group === undefined ? {} : { groups: group === false ? [] : group }),
    ...(image === undefined ? {} : { image: image === false ? "" : image }),
    ...(loader === undefined ? {} : { loader: loader === false ? "" : loader }),
    ...(kernelArgument === undefined
      ? {}
      : { kernelArguments: kernelArgument === false ? [] : kernelArgument }),
    ...(rename === undefined ? {} : { rename }),
  };
}

// A flag with a "--no-" twin starts out as `true` in commander, which is no list.
function replaceList(value: string, before: unknown): readonly string[] {
  return collectList(value, Array.isArray(before) ? before : undefined);
}

function replaceWithOne(value: string, before: unknown): readonly string[] {
  return collect(value, Array.isArray(before) ? before : undefined);
}
