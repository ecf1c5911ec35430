import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { dnsmasqOptions, reservations } from "./dhcp-servers.ts";
import { versionFiles } from "../../server/image/manifest.ts";
import { firstNodeMac, type Head, prepareHead } from "./head.ts";
import { writeImage } from "./image.ts";
import { loadDhcp, loadHttp, loadTftp } from "./loads.ts";
import { type Bench, Measurements } from "./measuring.ts";
import { startNginx } from "./nginx.ts";
import { simulatedStorms } from "./simulated-storm.ts";
import { ours, type Row } from "./report.ts";
import { network, type RunningServer, type Workplace } from "./workplace.ts";

const headPort = 8080;
const nginxPort = 8081;
const loader = "loader.efi";
/** As Debian's snponly.efi, and a small kernel and initrd, so that a thousand machines' files pass in seconds. */
const sizes = { loaderKiB: 256, kernelMiB: 1, initrdMiB: 3 };
/** All of a machine's steps, one after the other, take this at most. */
const patienceSeconds = 60;

/** Everything a machine is given, from one place or from two programs. */
type Site = { name: string; port: number; start: () => Promise<RunningServer[]> };
type Material = { head: Head; directory: string; nodes: number };

/** All machines of a rack at once, step by step: an address, the loader, the script, kernel with initrd and overlay. */
export async function stormSuite(bench: Bench): Promise<Row[]> {
  const measurements = new Measurements();
  const nodes = bench.quick ? 200 : 1000;
  const rounds = bench.quick ? 2 : 3;
  const material = await prepare(bench, nodes);
  for (let round = 1; round <= rounds; round += 1) {
    bench.workplace.say(`storm, ${nodes} machines, round ${round} of ${rounds}`);
    for (const site of [oursAlone(material), await dnsmasqAndNginx(bench, material)]) {
      try {
        await walk(bench, material, site, measurements);
      } catch (error) {
        measurements.fail(site.name, error);
      }
    }
  }
  await simulatedStorms(bench, material, measurements);
  return measurements.rows("storm");
}

async function prepare({ workplace }: Bench, nodes: number): Promise<Material> {
  const head = await prepareHead(workplace, nodes, { boot: { concurrent: 100_000 } });
  writeFileSync(join(head.loaderDirectory, loader), randomBytes(sizes.loaderKiB << 10));
  const initrd = writeImage(head.imageStore, {
    kernel: randomBytes(sizes.kernelMiB << 20),
    initrd: randomBytes(sizes.initrdMiB << 20),
  });
  const directory = workplace.scratch("storm");
  const material = { head, directory, nodes };
  // Once, for the rivals' copies: scripts under their own paths, one kernel, initrd and overlay for all.
  const running = await head.start();
  try {
    await learnPaths(workplace, material);
  } finally {
    await running.stop();
  }
  linkSync(initrd, join(directory, "www/initrd"));
  linkSync(join(dirname(initrd), versionFiles.kernel), join(directory, "www/kernel"));
  const copies = ["/kernel", "/initrd", "/overlay"].map((path) => `${path}\n`.repeat(nodes));
  writeFileSync(join(directory, "copies"), copies.join(""));
  return material;
}

function oursAlone({ head }: Material): Site {
  return { name: ours, port: headPort, start: async () => [await head.start()] };
}

async function dnsmasqAndNginx(
  { workplace, rivals }: Bench,
  { head, directory, nodes }: Material,
): Promise<Site> {
  const dnsmasq = await rivals.get("dnsmasq");
  const start = async (): Promise<RunningServer[]> => {
    const own = workplace.scratch("dnsmasq");
    const hosts = join(own, "hosts");
    writeFileSync(
      hosts,
      reservations(nodes)
        .map(({ mac, ip }) => `${mac},${ip}\n`)
        .join(""),
    );
    const words = [
      ...dnsmasqOptions(own),
      `--dhcp-hostsfile=${hosts}`,
      "--enable-tftp",
      `--tftp-root=${head.loaderDirectory}`,
      "--tftp-max=5000", // 50 by default
    ];
    const first = workplace.serve([...dnsmasq.command, ...words], { logFile: join(own, "log") });
    await first.bound("udp", 67);
    const second = await startNginx(workplace, rivals, { directory, sendfile: true, port: nginxPort });
    return [first, second];
  };
  return { name: "dnsmasq and nginx", port: nginxPort, start };
}

async function walk(bench: Bench, material: Material, site: Site, measurements: Measurements): Promise<void> {
  const { workplace } = bench;
  const { head, directory, nodes } = material;
  const servers = await site.start();
  const [server] = servers;
  if (server === undefined) return;
  const name = `${nodes} machines`;
  const took = (step: string, seconds: number): void =>
    measurements.add(`${name}, ${step}`, site.name, "s", seconds);
  try {
    await warmUp(bench, material, site, server);
    const addresses = await all("addresses", server, () => loadDhcpOnce(bench, server, nodes));
    took("addresses", addresses.seconds);
    const tftp = {
      name: loader,
      file: join(head.loaderDirectory, loader),
      clients: nodes,
      seconds: 0,
      window: 1,
    };
    const loaders = await all("loaders", server, () =>
      loadTftp(workplace, server, bench.loads, { ...tftp, deadlineSeconds: patienceSeconds }),
    );
    if (loaders.failed > 0) throw new Error(`${loaders.failed} machines got no loader`);
    took("loaders", loaders.seconds);
    const fetchAll = (paths: string, count: number) =>
      all(paths, server, () =>
        loadHttp(workplace, server, bench.loads, {
          port: site.port,
          paths: join(directory, paths),
          connections: nodes,
          seconds: patienceSeconds,
          most: count,
        }),
      );
    const scripts = await fetchAll("scripts", nodes);
    took("scripts", scripts.seconds);
    // The load does not read scripts: the boots whose files it fetches are begun here, between the steps.
    if (site.name === ours) await learnPaths(workplace, material);
    const files = await fetchAll(site.name === ours ? "files" : "copies", 3 * nodes);
    took("kernel, initrd, overlay", files.seconds);
    const steps = [addresses, loaders, scripts, files];
    const sum = (of: (step: { seconds: number; cpuSeconds: number }) => number): number =>
      steps.reduce((total, step) => total + of(step), 0);
    took(
      "all steps",
      sum(({ seconds }) => seconds),
    );
    const cpu = (1000 * sum(({ cpuSeconds }) => cpuSeconds)) / nodes;
    measurements.add(`${name}, all steps, a machine`, site.name, "ms CPU", cpu);
  } finally {
    for (const each of servers) await each.stop();
  }
}

/** Not timed, by some of the machines: V8 compiles what runs often. */
async function warmUp(bench: Bench, material: Material, site: Site, server: RunningServer): Promise<void> {
  const { workplace, loads } = bench;
  const { head, directory, nodes } = material;
  const some = { clients: Math.ceil(nodes / 5), seconds: 0.7 };
  await loadDhcp(workplace, server, loads, { ...some, mode: "closed", pace: 32, firstMac: firstNodeMac });
  const file = { name: loader, file: join(head.loaderDirectory, loader), window: 1 };
  await loadTftp(workplace, server, loads, { ...file, ...some, deadlineSeconds: patienceSeconds });
  const scripts = { port: site.port, paths: join(directory, "scripts"), connections: 100, seconds: 0.7 };
  await loadHttp(workplace, server, loads, scripts);
}

/** One step of all machines, with the CPU it cost the servers. */
async function all<T>(
  step: string,
  server: RunningServer,
  run: () => Promise<T>,
): Promise<T & { cpuSeconds: number }> {
  try {
    const before = await server.cpuSeconds();
    const result = await run();
    return { ...result, cpuSeconds: (await server.cpuSeconds()) - before };
  } catch (error) {
    throw new Error(`${step}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

async function loadDhcpOnce({ workplace, loads }: Bench, server: RunningServer, nodes: number) {
  const load = { mode: "closed", pace: 128, seconds: patienceSeconds, firstMac: firstNodeMac } as const;
  const result = await loadDhcp(workplace, server, loads, { ...load, clients: nodes, most: nodes });
  if (result.finished < nodes) throw new Error(`${nodes - result.finished} machines got no address`);
  return { seconds: result.wholeSeconds };
}

/** Begins a boot for every node, and lists what its script names in the order of the steps. */
async function learnPaths({ rack }: Workplace, { directory, nodes }: Material): Promise<void> {
  const driver = join(import.meta.dirname, "boot-paths-driver.ts");
  const words = [`http://${network.head}:${headPort}`, String(nodes), directory];
  await rack.exec(rack.client("load"), [process.execPath, driver, ...words]);
  const lists = ["kernels", "initrds", "overlays"].map((name) => readFileSync(join(directory, name), "utf8"));
  writeFileSync(join(directory, "files"), lists.join(""));
}
