import { systemClock } from "../../server/lib/clock.ts";
import { silentLog } from "../../server/lib/log.ts";
import type { DhcpSite } from "../../server/dhcp/site.ts";
import { createDhcpServer } from "../../server/dhcp/server.ts";
import type { Lease } from "../../server/model/node.ts";
import { parseRelayPort } from "../../server/model/machine-identity.ts";
import { directoryOf, nodeOf, siteOf } from "./dhcp-scene.ts";

/**
 * A DHCP server as a process of its own, for a network namespace: `node dhcp-head-driver.ts '{"device":"br0", …}'`. It says on
 * its output what it does, a JSON object a line, and ends on SIGTERM.
 */
export type DhcpHeadArguments = {
  device: string;
  /** What differs from the site of the unit tests (10.77.0.1/24). */
  site?: Partial<Omit<DhcpSite, "urls">>;
  /** Whether addresses of the pool are looked for before they are offered. Default: off. */
  probe?: "auto" | "off";
  /** Which clients without an address are answered by broadcast. Default: those that ask for it. */
  broadcast?: "asked" | "always";
  nodes?: readonly { name: string; ip: string; macs: readonly string[]; relayPort?: string }[];
};

/** A line of its output. */
export type DhcpHeadLine =
  | { ready: true }
  | { saved: readonly Lease[] }
  | { event: { kind: string; mac: string; client?: string } }
  | { counters: Readonly<Record<string, number>> };

function say(line: DhcpHeadLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const given = JSON.parse(process.argv[2] ?? "{}") as DhcpHeadArguments;
const { urls, ...site } = siteOf(given.site);
const server = createDhcpServer({
  config: {
    ...site,
    dhcp: { probe: given.probe ?? "off", broadcast: given.broadcast ?? "asked" },
    interface: given.device,
    ports: { dhcp: 67, bootServer: 4011, tftp: 69, http: 8080, nfs: 2049 },
  },
  urls,
  directory: directoryOf(
    (given.nodes ?? []).map((node, index) => {
      const relayPort = parseRelayPort(node.relayPort ?? "");
      return {
        ...nodeOf(node.name, node.ip, node.macs),
        id: index + 1,
        ...(relayPort === undefined ? {} : { relayPort }),
      };
    }),
  ),
  store: {
    loadLeases: async () => await Promise.resolve([]),
    saveLeases: async (leases) => {
      say({ saved: leases });
      await Promise.resolve();
    },
  },
  record: (event) => say({ event }),
  log: silentLog,
  clock: systemClock,
});
process.once("SIGTERM", () => {
  say({ counters: server.counters() });
  void server.stop();
});
await server.start();
say({ ready: true });
