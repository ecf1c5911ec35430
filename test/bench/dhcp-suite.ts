import { type DhcpServer, dnsmasqServer, iscServer, keaServer, provisionServer } from "./dhcp-servers.ts";
import { firstNodeMac } from "./head.ts";
import { type DhcpResult, loadDhcp } from "./loads.ts";
import { type Bench, Measurements } from "./measuring.ts";
import type { Row, Unit } from "./report.ts";
import type { RunningServer } from "./workplace.ts";

/** Exchanges outstanding in the closed loop: as many machines ask at the same time. */
const outstanding = 128;

/** Who asks: machines that nobody knows, for the pool, or those of the inventory. */
type Population = {
  name: string;
  firstMac: number;
  clients: number;
  /** Nodes in the inventory, reservations of the rivals. */
  reserved: number;
  /** So many at most are used up for the rate of new clients. */
  newest: number;
  /** There are enough for half load to be of new clients, too. */
  halfNew: boolean;
};

const dynamic: Population = {
  name: "60k pool",
  firstMac: 0x50_50_00_00_00_00,
  clients: 60_000,
  reserved: 0,
  newest: 30_000,
  halfNew: true,
};
const fixed: Population = {
  name: "10,000 reservations",
  firstMac: firstNodeMac,
  clients: 10_000,
  reserved: 10_000,
  newest: 10_000,
  halfNew: false,
};

/** dnsmasq's cost grows with its leases so steeply that only the closed loop tells anything. */
const closedOnly = new Set(["dnsmasq"]);

export async function dhcpSuite(bench: Bench): Promise<Row[]> {
  const measurements = new Measurements();
  const rounds = bench.quick ? 2 : 5;
  for (const population of [dynamic, fixed]) {
    const servers = await serversFor(bench, population, measurements);
    for (let round = 1; round <= rounds; round += 1) {
      bench.workplace.say(`dhcp, ${population.name}, round ${round} of ${rounds}`);
      for (const server of servers) {
        try {
          await measure(bench, population, server, measurements);
        } catch (error) {
          measurements.fail(server.name, error, population.name);
        }
      }
    }
  }
  return measurements.rows("dhcp");
}

async function serversFor(
  { workplace, rivals }: Bench,
  { reserved }: Population,
  measurements: Measurements,
): Promise<DhcpServer[]> {
  const servers = [await provisionServer(workplace, reserved)];
  const makers = { Kea: keaServer, "ISC dhcpd": iscServer, dnsmasq: dnsmasqServer };
  for (const [name, make] of Object.entries(makers)) {
    try {
      servers.push(await make(workplace, rivals, reserved));
    } catch (error) {
      measurements.fail(name, error);
    }
  }
  return servers;
}

/**
 * One life of a server: machines it has never seen as fast as it answers, more of them at half that rate, the first ones
 * once more, and more of those than it can answer.
 */
async function measure(
  bench: Bench,
  population: Population,
  server: DhcpServer,
  measurements: Measurements,
): Promise<void> {
  const { name, newest, halfNew } = population;
  const add = (what: string, unit: Unit, value: number): void =>
    measurements.add(`${name}, ${what}`, server.name, unit, value);
  await withServer(server, async (running) => {
    const fresh = await load(bench, population, running, { mode: "closed", pace: outstanding, most: newest });
    add("new clients", "exchanges/s", rate(fresh));
    const seen = Math.min(newest, fresh.started);
    const again = { ...population, clients: seen };
    const half = { mode: "open", pace: rate(fresh) / 2 } as const;
    const halfResult = closedOnly.has(server.name)
      ? undefined
      : await (halfNew
          ? load(bench, population, running, { ...half, start: seen, most: population.clients - seen })
          : load(bench, again, running, half));
    const returning = await load(bench, again, running, { mode: "closed", pace: outstanding });
    add("returning clients", "exchanges/s", rate(returning));
    if (halfResult === undefined) return;
    add("at half its capacity, p50", "ms", halfResult.p50Ms);
    add("at half its capacity, p99", "ms", halfResult.p99Ms);
    add("at half its capacity, an exchange", "µs CPU", halfResult.cpuMicroseconds);
    const above = await load(bench, again, running, { mode: "open", pace: rate(returning) * 1.5 });
    add("offered 1.5 x its capacity", "exchanges/s", rate(above));
    add("offered 1.5 x its capacity", "% answered", (100 * above.finished) / above.started);
    add("offered 1.5 x its capacity, p99", "ms", above.p99Ms);
  });
}

async function withServer<T>(server: DhcpServer, use: (running: RunningServer) => Promise<T>): Promise<T> {
  const running = await server.start();
  try {
    return await use(running);
  } finally {
    await running.stop();
  }
}

function rate({ inTime, seconds }: DhcpResult): number {
  return inTime / seconds;
}

async function load(
  { workplace, loads, quick }: Bench,
  { firstMac, clients }: Population,
  running: RunningServer,
  how: { mode: "closed" | "open"; pace: number; start?: number; most?: number },
): Promise<DhcpResult & { cpuMicroseconds: number }> {
  const before = await running.cpuSeconds();
  const seconds = quick ? 1 : 2;
  const pace = Math.max(1, Math.round(how.pace));
  const result = await loadDhcp(workplace, running, loads, { ...how, pace, seconds, firstMac, clients });
  const used = (await running.cpuSeconds()) - before;
  return { ...result, cpuMicroseconds: (used * 1e6) / Math.max(1, result.finished) };
}
