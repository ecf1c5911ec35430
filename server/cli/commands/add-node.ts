import { type Command, InvalidArgumentError } from "commander";
import { parseMac } from "../../lib/mac.ts";
import { loaderKinds } from "../../model/arch.ts";
import type { AddNodesRequest } from "../../model/answers.ts";
import { reportChange } from "../changes.ts";
import { act, collect, collectList, type CommandText, define } from "../define.ts";
import type { Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "add machines to the inventory",
  description: `Adds nodes. A head that runs serves them from the same moment, without a restart.

What is not told is chosen: the lowest free addresses outside the pool, no group, the head's default image. Every value is checked before anything is written, and every fault is told.`,
  examples: [
    [
      "provision add-node 'n[001-014]' --mac 52:54:00:00:00:01+ --ip 10.0.1.11+ --group compute",
      "fourteen nodes, ports and addresses counting up from the first",
    ],
    [
      "provision add-node n020 --mac 52:54:00:aa:00:01 --mac 52:54:00:aa:00:02",
      "one node that may boot by either of two ports; the lowest free address",
    ],
    [
      "provision add-node 'n[1-3]' --mac 52:54:00:00:00:0a,52:54:00:00:00:1c,52:54:00:00:00:2f",
      "one port for each of three nodes",
    ],
    [
      "provision add-node 'n[001-048]' --relay-port 00:1b:21:aa:00:01/ge-0/0/1+",
      "whatever machine is on port ge-0/0/1 to 48 of that switch",
    ],
    ["provision add-node n021 --from-discovered", "the machine that was seen first and is in no node yet"],
    ["provision add-node 'n[001-014]' --ip 10.0.1.11+ --dry-run", "only say what would be added"],
  ],
};

type Options = {
  mac?: readonly string[];
  uuid?: string;
  clientId?: readonly string[];
  relayPort?: string;
  option?: readonly string[];
  ip?: string;
  group?: readonly string[];
  image?: string;
  loader?: string;
  kernelArgument?: readonly string[];
  fromDiscovered?: readonly string[] | true;
};

/** `provision add-node` */
export function addAddNode(program: Command, surroundings: Surroundings): void {
  const command = define(program, "add-node", text)
    .argument("<names>", "names of the new nodes (provision help ranges): host names in lower case")
    .option(
      "--mac <macs>",
      "one more port of every node, given once for each port: a MAC address for a single node, MAC+ counting up node by node, or one MAC for each node with commas",
      collect,
    )
    .option("--uuid <uuids>", "SMBIOS UUID of a single node, or one for each node with commas")
    .option(
      "--client-id <ids>",
      "DHCP client identifier, or DHCPv6 DUID, by which it is known too, in hexadecimal or as text:…; one for a single node, or one for each with commas; may be given several times",
      collect,
    )
    .option(
      "--relay-port <ports>",
      "switch port by which it is known too, as REMOTE/CIRCUIT of DHCP option 82 (DHCPv6: 37 and 18), each as text or hex:…; a + after it counts up its last number node by node, commas part one for each node",
    )
    .option(
      "--ip <addresses>",
      "an address for a single node, ADDRESS+ counting up node by node, or one for each node with commas (default: the lowest free outside the pool)",
    )
    .option(
      "--group <groups>",
      "groups, with commas or given several times; the first that sets a value wins",
      collectList,
    )
    .option("--image <image>", "image to boot, NAME or NAME@VERSION (default: the group's, else the head's)")
    .option(
      "--loader <loader>",
      `what its firmware starts: ${loaderKinds.join(", ")} (default: the group's, else the head's)`,
    )
    .option(
      "--kernel-argument <argument>",
      "one kernel argument after the image's and the group's; may be given several times",
      collect,
    )
    .option(
      "--option <option>",
      "DHCP option of its own as NAME=VALUE (provision help options); may be given several times",
      collect,
    )
    .option(
      "--from-discovered [macs]",
      "take ports of machines that were seen and are in no node (list-discovered): those named with commas, else as many as needed in the order seen",
      discoveredMacs,
    );
  act<Options>(command, text, "changes", surroundings, async (run, range = "") => {
    const { options } = run;
    const request: AddNodesRequest = {
      range,
      ...(options.mac === undefined ? {} : { macs: options.mac }),
      ...(options.uuid === undefined ? {} : { uuid: options.uuid }),
      ...(options.clientId === undefined ? {} : { clientIds: options.clientId }),
      ...(options.relayPort === undefined ? {} : { relayPort: options.relayPort }),
      ...(options.option === undefined ? {} : { options: options.option }),
      ...(options.ip === undefined ? {} : { ip: options.ip }),
      ...(options.group === undefined ? {} : { groups: options.group }),
      ...(options.image === undefined ? {} : { image: options.image }),
      ...(options.loader === undefined ? {} : { loader: options.loader }),
      ...(options.kernelArgument === undefined ? {} : { kernelArguments: options.kernelArgument }),
      ...(options.fromDiscovered === undefined ? {} : { fromDiscovered: options.fromDiscovered }),
      ...(options.dryRun === true ? { dryRun: true } : {}),
    };
    const answer = await run.head((head) => head.addNodes(request));
    return reportChange(run, { done: "added", wouldBe: "would add" }, answer);
  });
}

/** The flag's value is optional, so the word after it may be meant as the range. */
function discoveredMacs(value: string): readonly string[] {
  const macs = value.split(",").map((item) => item.trim());
  if (macs.every((mac) => parseMac(mac) !== undefined)) return macs;
  throw new InvalidArgumentError("it takes MAC addresses; write the range before it.");
}
