import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Head, prepareHead } from "./head.ts";
import { writeImage } from "./image.ts";
import { type HttpResult, loadHttp } from "./loads.ts";
import { type Bench, Measurements } from "./measuring.ts";
import { startNginx } from "./nginx.ts";
import { ours, type Row } from "./report.ts";
import { network, type RunningServer, type Workplace } from "./workplace.ts";

const nodes = 1000;
const fileMiB = 64;
/** Before anything is measured, for every server: code is compiled, files are in memory, windows are open. */
const warmSeconds = 2;
const headPort = 8080;
const nginxPort = 8081;

/** One server with something to ask it for. */
type Site = { name: string; port: number; start: () => Promise<RunningServer> };

/** The scripts as our head has rendered them, and its files, below `www` under the same paths. */
type Material = { head: Head; directory: string; initrd: string };

export async function httpSuite(bench: Bench): Promise<Row[]> {
  const measurements = new Measurements();
  const material = await prepare(bench);
  const rounds = bench.quick ? 1 : 3;
  for (let round = 1; round <= rounds; round += 1) {
    bench.workplace.say(`http, scripts, round ${round} of ${rounds}`);
    for (const site of scriptSites(bench, material)) {
      await attempt(measurements, site, () => measureScripts(bench, material, site, measurements));
    }
    for (const connections of [100, 1000]) {
      bench.workplace.say(
        `http, ${fileMiB} MiB files at ${connections} connections, round ${round} of ${rounds}`,
      );
      for (const site of fileSites(bench, material)) {
        await attempt(measurements, site, () =>
          measureFiles(bench, material, site, connections, measurements),
        );
      }
    }
  }
  return measurements.rows("http");
}

async function attempt(measurements: Measurements, site: Site, measure: () => Promise<void>): Promise<void> {
  try {
    await measure();
  } catch (error) {
    measurements.fail(site.name, error);
  }
}

async function prepare({ workplace }: Bench): Promise<Material> {
  // A site's own arguments make the script 2 KiB, as it is with consoles, a RAM disk and a few drivers' options.
  const kernelArguments = Array.from({ length: 12 }, (_, index) => `option${index}=${"x".repeat(40)}`);
  const head = await prepareHead(workplace, nodes, {
    kernelArguments,
    boot: { concurrent: 100_000 }, // nobody waits for a turn: nginx lets everybody in, too
  });
  const initrd = writeImage(head.imageStore, {
    kernel: randomBytes(1 << 20),
    initrd: randomBytes(fileMiB << 20),
  });
  return { head, directory: workplace.scratch("http"), initrd };
}

function scriptSites({ workplace, rivals }: Bench, { head, directory }: Material): Site[] {
  const nginx = async (text?: string): Promise<RunningServer> =>
    await startNginx(workplace, rivals, {
      directory,
      sendfile: false,
      port: nginxPort,
      ...(text === undefined ? {} : { text }),
    });
  const one = (): string => {
    const [path = ""] = linesOf(join(directory, "scripts"));
    return readFileSync(join(directory, "www", path), "utf8");
  };
  return [
    { name: ours, port: headPort, start: head.start },
    { name: "nginx, the same scripts as files", port: nginxPort, start: () => nginx() },
    { name: "nginx, one script for all by return", port: nginxPort, start: () => nginx(one()) },
  ];
}

function fileSites({ workplace, rivals }: Bench, { head, directory }: Material): Site[] {
  const start = async (): Promise<RunningServer> =>
    await startNginx(workplace, rivals, { directory, sendfile: true, port: nginxPort });
  return [
    { name: ours, port: headPort, start: head.start },
    { name: "nginx, sendfile", port: nginxPort, start },
  ];
}

/** Rendered for the node that asks, which begins a boot; beside what nginx can only give as it lies there. */
async function measureScripts(
  bench: Bench,
  material: Material,
  site: Site,
  measurements: Measurements,
): Promise<void> {
  const name = `2 KiB scripts of ${nodes} nodes, 100 connections`;
  const result = await measure(bench, material, site, { paths: "scripts", connections: 100 });
  measurements.add(name, site.name, "requests/s", result.requests / result.seconds);
  measurements.add(`${name}, p99`, site.name, "ms", result.p99Ms);
  measurements.add(`${name}, a request`, site.name, "µs CPU", (result.cpuSeconds * 1e6) / result.requests);
}

async function measureFiles(
  bench: Bench,
  material: Material,
  site: Site,
  connections: number,
  measurements: Measurements,
): Promise<void> {
  const result = await measure(bench, material, site, { paths: "initrds", connections });
  const name = `${fileMiB} MiB files, ${connections} connections`;
  measurements.add(name, site.name, "MB/s", result.bytes / result.seconds / 1e6);
  measurements.add(name, site.name, "s CPU/GB", result.cpuSeconds / (result.bytes / 1e9));
}

async function measure(
  { workplace, loads, quick }: Bench,
  { directory, initrd }: Material,
  { name, port, start }: Site,
  { paths, connections }: { paths: "scripts" | "initrds"; connections: number },
): Promise<HttpResult & { cpuSeconds: number }> {
  const running = await start();
  try {
    if (name === ours) await fetchScripts(workplace, directory, initrd);
    const file = paths === "initrds" ? { file: initrd } : {};
    const load = { port, paths: join(directory, paths), connections, ...file };
    await loadHttp(workplace, running, loads, { ...load, seconds: warmSeconds });
    const before = await running.cpuSeconds();
    const result = await loadHttp(workplace, running, loads, { ...load, seconds: quick ? 1 : 3 });
    return { ...result, cpuSeconds: (await running.cpuSeconds()) - before };
  } finally {
    await running.stop();
  }
}

/** Begins a boot for every node: from then on the head knows the paths of their files. */
async function fetchScripts({ rack }: Workplace, directory: string, initrd: string): Promise<void> {
  const driver = join(import.meta.dirname, "boot-paths-driver.ts");
  const base = `http://${network.head}:${headPort}`;
  await rack.exec(rack.client("load"), [process.execPath, driver, base, String(nodes), directory]);
  for (const path of linesOf(join(directory, "initrds"))) {
    const link = join(directory, "www", path);
    if (existsSync(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    linkSync(initrd, link);
  }
}

function linesOf(file: string): string[] {
  return readFileSync(file, "utf8").trim().split("\n");
}
