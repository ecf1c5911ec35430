import {
  type DhcpServer,
  dnsmasqServer,
  iscServer,
  keaServer,
  poolLeases,
  provisionServer,
} from "./dhcp-servers.ts";
import { firstNodeMac, firstPoolMac } from "./head.ts";
import { type DhcpResult, loadDhcp } from "./loads.ts";
import { type Bench, Measurements } from "./measuring.ts";
import { perfdhcpWords, readPerfdhcp } from "./perfdhcp.ts";
import { goal, ours, type Row, type Unit } from "./report.ts";
import type { RunningServer } from "./workplace.ts";

/** Exchanges outstanding in the closed loop: as many machines ask at the same time. */
const outstanding = 128;

/** The goal for the CPU time of one exchange. */
const wantedMicroseconds = 40;

/** Exchanges a second that every server answers with ease: latencies at the same load. */
const commonPace = 5000;

/** So many leases servers have that are given them in a file. */
const leasesThere = 10_000;

/** Who asks: machines that nobody knows, for the pool, or those of the inventory. */
type Population = {
  name: string;
  firstMac: number;
  clients: number;
  /** Nodes in the inventory, reservations of the rivals. */
  reserved: number;
  /** The last of them, which ask before anything is measured: they are new to nobody then. */
  warmers: number;
  /** So many at most are used up for the rate of new clients. */
  newest: number;
  /** There are enough for half load to be of new clients, too. */
  halfNew: boolean;
  quickRounds: number;
};

const dynamic: Population = {
  name: "60k pool",
  firstMac: firstPoolMac,
  clients: 60_000,
  reserved: 0,
  warmers: 10_000,
  newest: 30_000,
  halfNew: true,
  quickRounds: 2,
};
const fixed: Population = {
  name: "10,000 reservations",
  firstMac: firstNodeMac,
  clients: 10_000,
  reserved: 10_000,
  warmers: 2000,
  newest: 8000,
  halfNew: false,
  quickRounds: 1,
};

/** dnsmasq's cost grows with its leases so steeply that only the closed loop tells anything. */
const closedOnly = new Set(["dnsmasq"]);

export async function dhcpSuite(bench: Bench): Promise<Row[]> {
  const measurements = new Measurements();
  for (const population of [dynamic, fixed]) {
    const rounds = bench.quick ? population.quickRounds : 3;
    const servers = await serversFor(bench, population, measurements);
    for (let round = 1; round <= rounds; round += 1) {
      for (const server of servers) {
        bench.workplace.say(`dhcp, ${population.name}, round ${round} of ${rounds}: ${server.name}`);
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
 * Machines it has never seen as fast as a server answers, more of them at half that rate; then machines it knows, and more of
 * those than it can answer.
 */
async function measure(
  bench: Bench,
  population: Population,
  server: DhcpServer,
  measurements: Measurements,
): Promise<void> {
  const add: Add = (what, unit, value, wanted) => {
    const name = `${population.name}, ${what}`;
    measurements.add(name, server.name, unit, value);
    if (wanted !== undefined && server.name === ours) measurements.add(name, goal, unit, wanted);
  };
  const openToo = !closedOnly.has(server.name);
  const running = await server.start();
  try {
    await warmUp(bench, population, running);
    const seen = await measureNew(bench, population, running, add, openToo);
    if (!server.slowToFill)
      return await measureKnown(bench, { ...population, clients: seen }, running, add, true);
  } finally {
    await running.stop();
  }
  const filled = await server.start(poolLeases(leasesThere));
  try {
    const known = { ...population, clients: leasesThere };
    await measureKnown(bench, known, filled, add, openToo);
  } finally {
    await filled.stop();
  }
}

/** `wanted`: what it is to be of ours. */
type Add = (what: string, unit: Unit, value: number, wanted?: number) => void;

/** Not timed: V8 compiles what runs often, and everybody's memory is touched for the first time. */
async function warmUp(bench: Bench, population: Population, running: RunningServer): Promise<void> {
  const { firstMac, clients, warmers } = population;
  const last = { ...population, firstMac: firstMac + clients - warmers, clients: warmers };
  await load(bench, last, running, { mode: "closed", pace: outstanding, seconds: bench.quick ? 1 : 2 });
}

/** @returns how many clients have leases then */
async function measureNew(
  bench: Bench,
  population: Population,
  running: RunningServer,
  add: Add,
  openToo: boolean,
): Promise<number> {
  const { newest, halfNew, clients, warmers } = population;
  const fresh = await load(bench, population, running, { mode: "closed", pace: outstanding, most: newest });
  add("new clients", "exchanges/s", rate(fresh));
  add("new clients, an exchange", "µs CPU", fresh.cpuMicroseconds, wantedMicroseconds);
  const seen = Math.min(newest, fresh.started);
  if (!openToo) return seen;
  const half = { mode: "open", pace: rate(fresh) / 2 } as const;
  const result = halfNew
    ? await load(bench, population, running, { ...half, start: seen, most: clients - warmers - seen })
    : await load(bench, { ...population, clients: seen }, running, half);
  add("at half its capacity, p50", "ms", result.p50Ms);
  add("at half its capacity, p99", "ms", result.p99Ms);
  add("at half its capacity, an exchange", "µs CPU", result.cpuMicroseconds, wantedMicroseconds);
  return seen;
}

async function measureKnown(
  bench: Bench,
  known: Population,
  running: RunningServer,
  add: Add,
  openToo: boolean,
): Promise<void> {
  const returning = await load(bench, known, running, { mode: "closed", pace: outstanding });
  add("returning clients", "exchanges/s", rate(returning));
  add("returning clients, an exchange", "µs CPU", returning.cpuMicroseconds, wantedMicroseconds);
  if (!openToo) return;
  const common = await load(bench, known, running, { mode: "open", pace: commonPace });
  add(`${commonPace}/s offered, p50`, "ms", common.p50Ms);
  add(`${commonPace}/s offered, p99`, "ms", common.p99Ms);
  if (!bench.quick) await crossCheck(bench, known, running, rate(returning) * 0.9, add);
  const above = await load(bench, known, running, { mode: "open", pace: rate(returning) * 1.5 });
  add("offered 1.5 x its capacity", "exchanges/s", rate(above));
  add("offered 1.5 x its capacity", "% answered", (100 * above.finished) / above.started);
  add("offered 1.5 x its capacity, p99", "ms", above.p99Ms);
}

/** The same load by our generator and by Kea's: what both say can be believed. */
async function crossCheck(
  bench: Bench,
  known: Population,
  running: RunningServer,
  pace: number,
  add: Add,
): Promise<void> {
  const offered = Math.min(pace, perfdhcpMost);
  const own = await load(bench, known, running, { mode: "open", pace: offered });
  add("0.9 x its capacity offered", "exchanges/s", rate(own));
  add("0.9 x its capacity offered", "% answered", (100 * own.finished) / own.started);
  const theirs = await perfdhcp(bench, known, running, offered);
  add("0.9 x its capacity offered by perfdhcp", "exchanges/s", theirs.rate);
  add("0.9 x its capacity offered by perfdhcp", "% answered", theirs.answeredPercent);
}

function rate({ inTime, seconds }: DhcpResult): number {
  return inTime / seconds;
}

async function load(
  { workplace, loads, quick }: Bench,
  { firstMac, clients }: Population,
  running: RunningServer,
  how: { mode: "closed" | "open"; pace: number; start?: number; most?: number; seconds?: number },
): Promise<DhcpResult & { cpuMicroseconds: number }> {
  const before = await running.cpuSeconds();
  const { seconds = quick ? 0.7 : 2 } = how;
  const pace = Math.max(1, Math.round(how.pace));
  const result = await loadDhcp(workplace, running, loads, { ...how, pace, seconds, firstMac, clients });
  const used = (await running.cpuSeconds()) - before;
  return { ...result, cpuMicroseconds: (used * 1e6) / Math.max(1, result.finished) };
}

/** perfdhcp offers 35,000 a second at most on one core. */
const perfdhcpMost = 35_000;

async function perfdhcp(
  { workplace, rivals }: Bench,
  { firstMac, clients }: Population,
  running: RunningServer,
  rate: number,
): Promise<{ rate: number; answeredPercent: number }> {
  const { command } = await rivals.get("perfdhcp");
  const words = perfdhcpWords({ rate, clients, firstMac, seconds: 2 });
  // Its exit status is 3 where something was not answered.
  return readPerfdhcp(await workplace.load([...command, ...words], running, [3]));
}
