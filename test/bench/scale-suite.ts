import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { firstNodeMac, type Head, nodeRange, prepareHead } from "./head.ts";
import { writeHistory } from "./history.ts";
import { writeImage } from "./image.ts";
import { loadDhcp, loadHttp } from "./loads.ts";
import { type Bench, Measurements } from "./measuring.ts";
import { goal, ours, type Row, type Unit } from "./report.ts";
import type { RunningServer } from "./workplace.ts";

/** The rival is ourselves with a small inventory: what has not grown has a ratio of 1. */
const base = 100;
const baseName = `itself with ${base} nodes`;

/** Exchanges a second, far below what the head can do: what is asked for is the cost of one, not of many. */
const dhcpPace = 2000;

type Scale = { nodes: number; head: Head; paths: string };
/** `wanted`: what it is to be at most, however many nodes there are. */
type Figure = { what: string; unit: Unit; value: number; wanted?: number };

/** How cost grows with the inventory. All nodes have booted before. */
export async function scaleSuite(bench: Bench): Promise<Row[]> {
  const measurements = new Measurements();
  const sizes = bench.quick ? [base, 10_000] : [base, 10_000, 100_000];
  const rounds = bench.quick ? 2 : 3;
  const scales: Scale[] = [];
  for (const nodes of sizes) {
    try {
      scales.push(await prepare(bench, nodes));
    } catch (error) {
      measurements.fail(ours, error, `${nodes} nodes`);
    }
  }
  for (let round = 1; round <= rounds; round += 1) {
    let figures: Figure[] = [];
    for (const scale of scales) {
      bench.workplace.say(`scale, ${scale.nodes} nodes, round ${round} of ${rounds}`);
      try {
        const measured = await measure(bench, scale);
        if (scale.nodes === base) figures = measured;
        else compare(measurements, scale.nodes, measured, figures);
      } catch (error) {
        measurements.fail(ours, error, `${scale.nodes} nodes`);
      }
    }
  }
  return measurements.rows("scale");
}

function compare(
  measurements: Measurements,
  nodes: number,
  figures: readonly Figure[],
  baseline: readonly Figure[],
): void {
  for (const [index, { what, unit, value, wanted }] of figures.entries()) {
    const name = `${nodes.toLocaleString("en")} nodes, ${what}`;
    measurements.add(name, ours, unit, value);
    const other = baseline[index];
    if (other !== undefined) measurements.add(name, baseName, unit, other.value);
    if (wanted !== undefined) measurements.add(name, goal, unit, wanted);
  }
}

async function prepare({ workplace }: Bench, nodes: number): Promise<Scale> {
  const head = await prepareHead(workplace, nodes, { boot: { concurrent: 100_000 } }, (directory) =>
    writeHistory(directory, Date.now()),
  );
  writeImage(head.imageStore, { kernel: randomBytes(4096), initrd: randomBytes(4096) });
  const paths = join(head.directory, "paths");
  const lines = Array.from({ length: base }, (_, index) => {
    // Spread over the whole inventory.
    const node = Math.floor((index * nodes) / base);
    const mac = (firstNodeMac + node).toString(16).padStart(12, "0").match(/../g) ?? [];
    return `/boot/${mac.join("-")}/script.ipxe\n`;
  });
  writeFileSync(paths, lines.join(""));
  return { nodes, head, paths };
}

async function measure(bench: Bench, { nodes, head, paths }: Scale): Promise<Figure[]> {
  const running = await head.start();
  try {
    const latencies = await measureLatencies(bench, running, { nodes, paths });
    const addSeconds = await secondsOf(() => head.provision("add-node", ...nodeRange(nodes + 1, 1000)));
    const listSeconds = await secondsOf(() => head.provision("list-nodes"));
    return [
      { what: "the head starts", unit: "s", value: running.startSeconds, wanted: 5 },
      { what: "resident memory", unit: "MB", value: residentMegabytes(running), wanted: 600 },
      { what: "adding 1,000 more", unit: "s", value: addSeconds, wanted: 1 },
      { what: "listing all of them", unit: "s", value: listSeconds },
      ...latencies,
    ];
  } finally {
    await running.stop();
  }
}

async function measureLatencies(
  { workplace, loads, quick }: Bench,
  running: RunningServer,
  { nodes, paths }: Pick<Scale, "nodes" | "paths">,
): Promise<Figure[]> {
  const seconds = quick ? 0.7 : 2;
  // No more machines ask than there are in the smallest inventory: the first boot of one costs more than the next.
  const machines = { firstMac: firstNodeMac + (nodes >> 1), clients: base >> 1 };
  const dhcp = { ...machines, mode: "open", pace: dhcpPace } as const;
  const http = { port: 8080, paths, connections: 1 };
  await loadDhcp(workplace, running, loads, { ...dhcp, mode: "closed", pace: 32, seconds: 1 });
  const exchanges = await quietest(() => loadDhcp(workplace, running, loads, { ...dhcp, seconds }));
  await loadHttp(workplace, running, loads, { ...http, seconds: 1 });
  const scripts = await quietest(() => loadHttp(workplace, running, loads, { ...http, seconds }));
  return [
    { what: `DHCP at ${dhcpPace}/s, p50`, unit: "ms", value: exchanges.p50Ms },
    { what: `DHCP at ${dhcpPace}/s, p99`, unit: "ms", value: exchanges.p99Ms },
    { what: "a script, p50", unit: "ms", value: scripts.p50Ms },
    { what: "a script, p99", unit: "ms", value: scripts.p99Ms },
  ];
}

/** Of three moments, whose differences are those of the machine and its disk: they only ever add. */
async function quietest(
  run: () => Promise<{ p50Ms: number; p99Ms: number }>,
): Promise<{ p50Ms: number; p99Ms: number }> {
  const moments = [await run(), await run(), await run()];
  return {
    p50Ms: Math.min(...moments.map(({ p50Ms }) => p50Ms)),
    p99Ms: Math.min(...moments.map(({ p99Ms }) => p99Ms)),
  };
}

async function secondsOf(run: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await run();
  return (performance.now() - startedMs) / 1000;
}

function residentMegabytes({ pid }: RunningServer): number {
  const kibibytes = /^VmRSS:\s+(?<value>\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))
    ?.groups?.["value"];
  return (Number(kibibytes ?? 0) * 1024) / 1e6;
}
