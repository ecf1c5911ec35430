import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { firstNodeMac, type Head, nodeRange, prepareHead } from "./head.ts";
import { loadDhcp, loadHttp } from "./loads.ts";
import { type Bench, Measurements } from "./measuring.ts";
import { ours, type Row, type Unit } from "./report.ts";
import type { RunningServer } from "./workplace.ts";

/** The rival is ourselves with a small inventory: what has not grown has a ratio of 1. */
const base = 100;
const baseName = `itself with ${base} nodes`;

/** Exchanges a second, far below what the head can do: what is asked for is the cost of one, not of many. */
const dhcpPace = 2000;

type Scale = { nodes: number; head: Head; paths: string };
type Figure = { what: string; unit: Unit; value: number };

export async function scaleSuite(bench: Bench): Promise<Row[]> {
  const measurements = new Measurements();
  const sizes = bench.quick ? [base, 10_000] : [base, 1000, 10_000, 100_000];
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
  for (const [index, { what, unit, value }] of figures.entries()) {
    const name = `${nodes.toLocaleString("en")} nodes, ${what}`;
    measurements.add(name, ours, unit, value);
    const other = baseline[index];
    if (other !== undefined) measurements.add(name, baseName, unit, other.value);
  }
}

async function prepare({ workplace }: Bench, nodes: number): Promise<Scale> {
  const head = await prepareHead(workplace, nodes);
  const paths = join(head.directory, "paths");
  const lines = Array.from({ length: Math.min(nodes, 5000) }, (_, index) => {
    // Spread over the whole inventory.
    const node = Math.floor((index * nodes) / Math.min(nodes, 5000));
    const mac = (firstNodeMac + node).toString(16).padStart(12, "0").match(/../g) ?? [];
    return `/boot/${mac.join("-")}/script.ipxe\n`;
  });
  writeFileSync(paths, lines.join(""));
  return { nodes, head, paths };
}

async function measure({ workplace, loads, quick }: Bench, { nodes, head, paths }: Scale): Promise<Figure[]> {
  const startedMs = performance.now();
  const running = await head.start();
  const startSeconds = (performance.now() - startedMs) / 1000;
  try {
    const seconds = quick ? 1 : 3;
    const population = { firstMac: firstNodeMac, clients: nodes };
    const dhcp = { mode: "open", pace: dhcpPace, ...population } as const;
    // Once to warm up: what is compiled while it runs is the same for any inventory.
    await loadDhcp(workplace, running, loads, { ...dhcp, seconds: 1 });
    const exchanges = await loadDhcp(workplace, running, loads, { ...dhcp, seconds, start: nodes >> 1 });
    const http = { port: 8080, paths, connections: 1 };
    await loadHttp(workplace, running, loads, { ...http, seconds: 1 });
    const scripts = await loadHttp(workplace, running, loads, { ...http, seconds });
    const megabytes = residentMegabytes(running);
    const addMs = performance.now();
    await head.provision("add-node", ...nodeRange(nodes + 1, 1000));
    return [
      { what: "the head starts", unit: "s", value: startSeconds },
      { what: "resident memory", unit: "MB", value: megabytes },
      { what: "adding 1,000 more", unit: "s", value: (performance.now() - addMs) / 1000 },
      { what: `DHCP at ${dhcpPace}/s, p50`, unit: "ms", value: exchanges.p50Ms },
      { what: "a script, p50", unit: "ms", value: scripts.p50Ms },
    ];
  } finally {
    await running.stop();
  }
}

function residentMegabytes({ pid }: RunningServer): number {
  const kibibytes = /^VmRSS:\s+(?<value>\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))
    ?.groups?.["value"];
  return (Number(kibibytes ?? 0) * 1024) / 1e6;
}
