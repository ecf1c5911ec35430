import { settableOptionNames } from "../dhcp/option-text.ts";

/** `provision help ranges`, and a part of `provision --help`. */
export const rangesHelp = `Node ranges:
  Every command that takes nodes takes a RANGE, in the manner of ClusterShell and xCAT:

    n001                  one node
    n[001-100,205]        numbers and runs of numbers; a leading zero keeps the width
    n[1-9/2]              every second: n1, n3, n5, n7, n9
    r[1-2]n[1-4]          several brackets: every combination, r1n1 to r2n4
    n001,n005,login       a comma adds
    @compute              the nodes of the group compute
    all   or   @*         every node
    all,!n[005-006]       an item that begins with ! is taken away, wherever it stands
    @compute!n005         the first without the second (binds tighter than the comma)
    @compute&@gpu         nodes that are in both (binds tighter than the comma)

  Put a range in single quotes: shells have their own meaning for [ ] ! & and *.
  A node or group that does not exist is an error, and nothing is done. A range may not begin by taking away:
  all but n005 is 'all,!n005'. Names in answers are folded the same way, and can be pasted back.`;

/** `provision help options` */
export const optionsHelp = `DHCP options:
  --option NAME=VALUE of add-node, set-node, add-group and set-group, and \`options:\` in the configuration, for all nodes
  or those of a network. Any option goes by its number, the usual ones by name too:

${settableNames()}

  What is set nearer to a node wins: the node itself, its groups (the first that has it), its network, the site.
  Values are written as the option needs them, several with commas between:

    ntp-servers=10.0.1.1,10.0.1.2            addresses
    interface-mtu=9000                       a number
    tzdb-timezone=Europe/Vienna              text
    domain-search=rack1.lan,cluster.lan      domain names
    classless-routes=10.9.0.0/16 by 10.0.1.254,10.8.0.0/16 by 10.0.1.253
                                             routes; the network's own router is added by itself
    224=text:rack 7   225=ip:10.0.1.1   226=hex:0a0b0c
                                             the bytes themselves, for options that have no name

  What belongs to the protocol (lease times, message types, identifiers) cannot be set. \`provision render NODE\` shows
  all that a node is sent, and where each value comes from.`;

function settableNames(): string {
  const lines: string[] = [];
  for (const name of settableOptionNames()) {
    const last = lines.at(-1);
    if (last === undefined || last.length + name.length > 98) lines.push(`    ${name}`);
    else lines[lines.length - 1] = `${last}, ${name}`;
  }
  return lines.join("\n");
}

/** Topics of `provision help` that are no commands. */
export const helpTopics: ReadonlyMap<string, string> = new Map([
  ["ranges", rangesHelp],
  ["options", optionsHelp],
]);

/** The end of `provision --help`: enough to do everything. */
export const quickStartHelp = `Quick start:
  Try it without a rack: two machines in QEMU, in a network of their own, removed by the last line.
    sudo provision build-image debian-13
    sudo provision lab up --nodes 2 --firmware bios,uefi
    provision list-nodes
    sudo provision lab ssh n001 -- uname -a
    sudo provision lab down

  A rack: one interface of this machine (here eth1, with the address 10.0.1.1/24) goes to the nodes' switch.
    sudo provision init --interface eth1 --pool 10.0.1.200-10.0.1.250
    sudo provision build-image debian-13
    sudo provision doctor
    sudo provision serve                                  (runs until Ctrl-C; use another terminal from here)
    provision add-node 'n[001-014]' --mac 52:54:00:00:00:01+ --ip 10.0.1.11+ --group compute
    provision list-discovered                             (machines that asked and are not in the inventory)
    provision add-node n015 --from-discovered
    provision list-nodes
    provision why n001                                    (what its last boot did, and what to try)
    provision events --follow

Exit status:
  0      all right
  1      failed, or failed for some of what was named
  2      wrong usage or an invalid value; nothing was changed
  130    interrupted by Ctrl-C

Environment:
  PROVISION_CONFIG  the head's configuration, as --config
  NO_COLOR          no colour, as --color never
  PROVISION_DEBUG   1: errors with their stack, and what the parts log`;
