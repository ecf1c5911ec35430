import { network } from "./workplace.ts";

/** perfdhcp, Kea's own load generator: an eye on ours that is not ours. */
export type PerfdhcpLoad = { rate: number; clients: number; firstMac: number; seconds: number };

export function perfdhcpWords({ rate, clients, firstMac, seconds }: PerfdhcpLoad): string[] {
  const mac = (firstMac.toString(16).padStart(12, "0").match(/../g) ?? []).join(":");
  const relay = ["-l", network.load]; // it is the relay agent
  const threads = ["-g", "single"]; // with threads it is slower on one core
  const pace = ["-r", String(Math.round(rate)), "-p", String(seconds)];
  return ["-4", ...relay, ...threads, ...pace, "-R", String(clients), "-b", `mac=${mac}`, network.head];
}

/** Whole exchanges a second, and the percentage of those begun, of what perfdhcp prints. @throws when it prints something else */
export function readPerfdhcp(output: string): { rate: number; answeredPercent: number } {
  const rate = /^Rate: (?<rate>[\d.]+) 4-way exchanges\/second/m.exec(output)?.groups?.["rate"];
  const sections = output.split(/^\*\*\*Statistics for: /m);
  const count = (section: string, what: string): number => {
    const text = sections.find((each) => each.startsWith(section)) ?? "";
    return Number(new RegExp(`^${what}: (?<count>\\d+)$`, "m").exec(text)?.groups?.["count"]);
  };
  const begun = count("DISCOVER-OFFER", "sent packets");
  const done = count("REQUEST-ACK", "received packets");
  if (rate === undefined || !(begun > 0) || !(done >= 0)) {
    throw new Error(`perfdhcp says nothing of its exchanges: ${output.trim().split("\n").at(-1) ?? ""}`);
  }
  return { rate: Number(rate), answeredPercent: (100 * done) / begun };
}
