import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { prepareHead } from "./head.ts";
import { loadTftp } from "./loads.ts";
import { type Bench, Measurements } from "./measuring.ts";
import { ours, type Row } from "./report.ts";
import { setLoss } from "./loss.ts";
import { network, pause, type RunningServer } from "./workplace.ts";

type TftpServer = { name: string; windows: boolean; start: () => Promise<RunningServer> };

/** Clients at once, window, and packets lost of a hundred in either direction. */
type Case = {
  clients: number;
  window: number;
  lossPercent: number;
  /** Files are fetched for this time; 0: one file for each client. */
  seconds: number;
  fileKiB: number;
  rounds: number;
  /** How long a machine waits for its loader before we call it failed. */
  deadlineSeconds: number;
};

const steady = { lossPercent: 0, seconds: 2, fileKiB: 1024, rounds: 3, deadlineSeconds: 10 };
const crowd = { lossPercent: 0, seconds: 0, fileKiB: 1024, rounds: 2, deadlineSeconds: 30 };
/** As slow as the slowest server, and its hundred clients are a hundred samples. */
const lossy = { clients: 100, seconds: 0, fileKiB: 1024, rounds: 1, deadlineSeconds: 30 };

const fullCases: readonly Case[] = [
  { clients: 1, window: 1, ...steady },
  { clients: 1, window: 16, ...steady },
  { clients: 1, window: 64, ...steady },
  { clients: 100, window: 1, ...steady },
  { clients: 100, window: 16, ...steady },
  { clients: 1000, window: 1, ...crowd },
  { clients: 1000, window: 16, ...crowd },
  { window: 1, lossPercent: 1, ...lossy },
  { window: 16, lossPercent: 1, ...lossy },
  { window: 1, lossPercent: 5, ...lossy },
  { window: 16, lossPercent: 5, ...lossy },
];

const quickCases: readonly Case[] = [
  { clients: 100, window: 1, ...steady, seconds: 0.7, rounds: 2, deadlineSeconds: 5 },
  { clients: 100, window: 16, ...steady, seconds: 0.7, rounds: 2, deadlineSeconds: 5 },
  { clients: 1000, window: 1, ...crowd, fileKiB: 128, rounds: 1, deadlineSeconds: 5 },
  { window: 1, lossPercent: 1, ...lossy, fileKiB: 128, deadlineSeconds: 4 },
  // A client whose request is lost asks again after 1, 3 and 7 s.
  { window: 1, lossPercent: 5, ...lossy, fileKiB: 128, deadlineSeconds: 10 },
];

/**
 * How long a server is at work before it is measured, on each of its starts, every server alike: code that is compiled
 * while it runs, and caches.
 */
const warmUp = { clients: 100, seconds: 1, deadlineSeconds: 10 };

/** The head keeps nothing of a file that was changed just now (boot/confined-file.ts). */
const settledMs = 3000;

export async function tftpSuite(bench: Bench): Promise<Row[]> {
  const measurements = new Measurements();
  const cases = bench.quick ? quickCases : fullCases;
  const directory = bench.workplace.scratch("tftp");
  for (const { fileKiB } of cases) writeFileSync(fileOf(directory, fileKiB), randomBytes(fileKiB * 1024));
  const servers = await tftpServers(bench, directory, measurements);
  await pause(settledMs);
  for (const each of cases) {
    const able = servers.filter(({ windows }) => each.window === 1 || windows);
    for (let round = 1; round <= each.rounds; round += 1) {
      bench.workplace.say(`tftp, ${describe(each)}, round ${round} of ${each.rounds}`);
      for (const server of able) {
        try {
          await measure(bench, each, server, directory, measurements);
        } catch (error) {
          measurements.fail(server.name, error, describe(each));
        }
      }
    }
  }
  return measurements.rows("tftp");
}

function nameOf(fileKiB: number): string {
  return `${fileKiB}.img`;
}

function fileOf(directory: string, fileKiB: number): string {
  return join(directory, nameOf(fileKiB));
}

function describe({ clients, window, lossPercent, fileKiB }: Case): string {
  const loss = lossPercent === 0 ? "" : `, ${lossPercent} % lost`;
  const size = fileKiB === 1024 ? "1 MiB" : `${fileKiB} KiB`;
  return `${clients} client${clients === 1 ? "" : "s"}, window ${window}, ${size}${loss}`;
}

async function measure(
  { workplace, loads }: Bench,
  each: Case,
  server: TftpServer,
  directory: string,
  measurements: Measurements,
): Promise<void> {
  const { clients, window, lossPercent, seconds, fileKiB, deadlineSeconds } = each;
  const name = describe(each);
  const running = await server.start();
  try {
    const file = { name: nameOf(fileKiB), file: fileOf(directory, fileKiB) };
    await loadTftp(workplace, running, loads, { ...file, ...warmUp, window });
    await setLoss(workplace, lossPercent);
    const result = await loadTftp(workplace, running, loads, {
      ...file,
      clients,
      seconds,
      window,
      deadlineSeconds,
    });
    if (lossPercent === 0) {
      measurements.add(name, server.name, "MB/s", result.bytes / Math.max(0.001, result.seconds) / 1e6);
    } else {
      measurements.add(`${name}, median`, server.name, "s", result.medianMs / 1000);
    }
    const whole = (100 * result.files) / Math.max(1, result.files + result.failed);
    measurements.add(`${name}, files`, server.name, "% whole", whole);
  } finally {
    await setLoss(workplace, 0);
    await running.stop();
  }
}

async function tftpServers(bench: Bench, root: string, measurements: Measurements): Promise<TftpServer[]> {
  const { workplace, rivals } = bench;
  const head = await prepareHead(workplace, 0, { loaderDirectory: root });
  const servers: TftpServer[] = [{ name: ours, windows: true, start: head.start }];
  const listening = async (argv: readonly string[]): Promise<RunningServer> => {
    const running = workplace.serve(argv, { logFile: join(workplace.scratch("tftp-rival"), "log") });
    await running.bound("udp", 69);
    return running;
  };
  const add = async (
    rival: "dnsmasq" | "tftpd-hpa" | "atftpd",
    windows: boolean,
    options: readonly string[],
  ): Promise<void> => {
    try {
      const { command } = await rivals.get(rival);
      servers.push({
        name: rival,
        windows,

        start: () => listening([...command, ...options]),
      });
    } catch (error) {
      measurements.fail(rival, error);
    }
  };
  // No DNS; as many transfers as there are clients (50 by default).
  const plain = [
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--user=root",
    "--port=0",
    "--log-facility=/dev/null",
  ];
  await add("dnsmasq", false, [
    ...plain,
    `--interface=${network.device}`,
    "--bind-interfaces",
    "--enable-tftp",
    `--tftp-root=${root}`,
    "--tftp-max=5000",
  ]);
  await add("tftpd-hpa", false, ["-L", "-u", "root", "-s", "--address", `${network.head}:69`, root]);
  // As many threads as there are clients (100 by default).
  const threads = ["--maxthread", "5000", "--verbose=0", "--logfile", "/dev/null"];
  await add("atftpd", true, [
    "--daemon",
    "--no-fork",
    "--user",
    "root.root",
    "--bind-address",
    network.head,
    ...threads,
    root,
  ]);
  return servers;
}
