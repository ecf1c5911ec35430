import { labNetwork } from "./addresses.ts";
import { run } from "../system/processes.ts";

/** Makes the namespace with its bridge. Command lines, in order. */
export function networkCommands(namespace: string): string[][] {
  const { bridge, address, prefixBits } = labNetwork;
  const inside = ["ip", "-n", namespace];
  return [
    ["ip", "netns", "add", namespace],
    [...inside, "link", "set", "lo", "up"],
    // No spanning tree and no forward delay: a port that is silent for 15 s is more than iPXE waits.
    [...inside, "link", "add", bridge, "type", "bridge", "forward_delay", "0", "stp_state", "0"],
    [...inside, "address", "add", `${address}/${prefixBits}`, "brd", "+", "dev", bridge],
    [...inside, "link", "set", bridge, "up"],
  ];
}

/** Makes a machine's network device and plugs it into the bridge. */
export function tapCommands(namespace: string, tap: string): string[][] {
  const inside = ["ip", "-n", namespace];
  return [
    [...inside, "tuntap", "add", "dev", tap, "mode", "tap"],
    [...inside, "link", "set", tap, "master", labNetwork.bridge, "up"],
  ];
}

export async function makeNetwork(namespace: string): Promise<void> {
  for (const argv of networkCommands(namespace)) await run(argv);
}

export async function makeTap(namespace: string, tap: string): Promise<void> {
  for (const argv of tapCommands(namespace, tap)) await run(argv);
}
