import { AppError } from "../lib/errors.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import type { NodeAnswer } from "../model/answers.ts";
import { networkOf, type Network, onWireOf } from "../model/network.ts";
import { foldNames } from "../model/node-range.ts";
import type { WalkFirmware } from "./effects.ts";
import type { WalkMachine } from "./spec.ts";

/** The machines that are walked, and which of the wanted are not. */
export type Selection = { machines: readonly WalkMachine[]; notes: readonly string[] };

/**
 * Nodes as machines on the wire of the head's own interface. A relay is not played, so nodes of networks behind one are
 * left out. @throws AppError("invalid") when a node has no port to boot by, or none is left
 */
export function selectNodes(
  nodes: readonly Pick<NodeAnswer, "name" | "macs" | "ip">[],
  firmware: readonly WalkFirmware[],
  networks: readonly [Network, ...Network[]],
): Selection {
  const without = nodes.filter(({ macs }) => macs.length === 0).map(({ name }) => name);
  if (without.length > 0) {
    throw new AppError("invalid", `no machine could boot as ${foldNames(without)}: no MAC address is known`, {
      hint: `provision set-node ${without[0]} --mac …`,
    });
  }
  const wire = onWireOf(networks[0], networks);
  const near = nodes.filter(({ ip }) => {
    const address = parseIpv4(ip);
    return address !== undefined && networkOf(address, wire) !== undefined;
  });
  const far = foldNames(nodes.filter((node) => !near.includes(node)).map(({ name }) => name));
  if (near.length === 0) {
    throw new AppError("invalid", `${far} is behind a relay agent, which is not simulated`, {
      hint: "from a machine on that network: provision simulate --interface eth1 MAC",
    });
  }
  return {
    machines: near.map(({ name, macs }, index) => machineOf(name, macs[0] ?? "", firmware, index)),
    notes: far === "" ? [] : [`${far} left out: behind a relay agent, which is not simulated`],
  };
}

/** Machines by the MACs of their ports. */
export function selectPorts(macs: readonly string[], firmware: readonly WalkFirmware[]): Selection {
  return { machines: macs.map((mac, index) => machineOf(mac, mac, firmware, index)), notes: [] };
}

/** The kinds of firmware in turn. */
function machineOf(name: string, mac: string, firmware: readonly WalkFirmware[], index: number): WalkMachine {
  return { name, mac, firmware: firmware[index % firmware.length] ?? "bios" };
}
