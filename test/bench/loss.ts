import { network, type Workplace } from "./workplace.ts";

/** Loses so many of a hundred UDP packets in either direction; 0: none any more. */
export async function setLoss({ rack }: Workplace, percent: number): Promise<void> {
  for (const host of [rack.head, rack.client("load")]) {
    await rack.exec(host, ["nft", "flush", "ruleset"]);
    if (percent > 0) await rack.exec(host, ["nft", lossRules(percent)]);
  }
}

/** On input, in both namespaces: on output the sender would be told by EPERM. */
export function lossRules(percent: number): string {
  const chain = "type filter hook input priority 0;";
  const rule = `ip saddr ${network.subnet} meta l4proto udp numgen random mod 1000 < ${percent * 10} drop`;
  return `table inet bench {\n chain input {\n  ${chain}\n  ${rule}\n }\n}`;
}
