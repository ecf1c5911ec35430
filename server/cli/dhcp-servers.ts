import { randomInt } from "node:crypto";
import { networkInterfaces } from "node:os";
import { otherDhcpServers } from "../doctor/other-servers.ts";
import { AppError } from "../lib/errors.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import { parseMac } from "../lib/mac.ts";
import { dhcpQuestion } from "./dhcp-question.ts";

const broadcast = "255.255.255.255" as Ipv4;

/** DHCP servers that offer an address on an interface's network, within 3 s. None where the question cannot be asked. */
export async function dhcpServersOn(device: string): Promise<readonly Ipv4[]> {
  const [port] = networkInterfaces()[device] ?? [];
  const mac = parseMac(port?.mac ?? "");
  if (mac === undefined) return [];
  const place = { device, clientPort: 68, server: { address: broadcast, port: 67 } };
  try {
    return await otherDhcpServers(place, dhcpQuestion(mac, randomInt(2 ** 32)), {
      waitMs: 1500,
      attempts: 2,
    });
  } catch (error) {
    if (error instanceof AppError) return []; // not root, or a DHCP client has port 68
    throw error;
  }
}
