import { join } from "node:path";
import { execa } from "execa";
import { network, type RunningServer, type Workplace } from "./workplace.ts";

/** Our own load generators, compiled when the bench starts. */
export type Loads = { dhcp: string; tftp: string; http: string };

export async function compileLoads(workplace: Workplace): Promise<Loads> {
  const compile = async (name: string): Promise<string> => {
    const program = join(workplace.directory, name);
    await execa("cc", ["-O2", "-Wall", "-o", program, join(import.meta.dirname, `${name}.c`)]);
    return program;
  };
  const names = ["dhcp-load", "tftp-load", "http-load"];
  const [dhcp = "", tftp = "", http = ""] = await Promise.all(names.map(compile));
  return { dhcp, tftp, http };
}

/** What dhcp-load.c prints. */
export type DhcpResult = {
  seconds: number;
  /** Until the last exchange was whole. */
  wholeSeconds: number;
  started: number;
  finished: number;
  /** Finished within `seconds`, while exchanges were begun: what rates are made of. */
  inTime: number;
  lost: number;
  wrong: number;
  p50Ms: number;
  p99Ms: number;
  nextClient: number;
};

export type DhcpLoad = {
  mode: "closed" | "open";
  /** closed: exchanges outstanding at any time; open: exchanges begun a second. */
  pace: number;
  seconds: number;
  firstMac: number;
  clients: number;
  /** Begin with this client of them. */
  start?: number;
  /** Ends earlier, once as many were begun. */
  most?: number;
};

export async function loadDhcp(
  workplace: Workplace,
  server: RunningServer,
  loads: Loads,
  load: DhcpLoad,
): Promise<DhcpResult> {
  const { mode, pace, seconds, firstMac, clients, start = 0, most = 0 } = load;
  const numbers = [pace, seconds, firstMac.toString(16), clients, start, most].map(String);
  const output = await workplace.load([loads.dhcp, network.head, network.load, mode, ...numbers], server);
  const result = JSON.parse(output) as DhcpResult;
  if (result.wrong > 0) throw new Error(`${result.wrong} DHCP answers were wrong`);
  return result;
}

/** What tftp-load.c prints. */
export type TftpResult = {
  seconds: number;
  bytes: number;
  files: number;
  failed: number;
  wrong: number;
  duplicates: number;
  medianMs: number;
  p99Ms: number;
};

export type TftpLoad = {
  /** The file's name for the server, and where it lies to be compared with. */
  name: string;
  file: string;
  clients: number;
  /** 0: one file for each client. */
  seconds: number;
  window: number;
  deadlineSeconds: number;
};

/** The largest block that fits into an Ethernet frame: what firmware asks for. */
const blockBytes = 1468;

export async function loadTftp(
  workplace: Workplace,
  server: RunningServer,
  loads: Loads,
  load: TftpLoad,
): Promise<TftpResult> {
  const { name, file, clients, seconds, window, deadlineSeconds } = load;
  const numbers = [clients, seconds, window, blockBytes, deadlineSeconds].map(String);
  const output = await workplace.load(
    [loads.tftp, network.head, "69", name, file, network.firstLoad, ...numbers],
    server,
  );
  const result = JSON.parse(output) as TftpResult;
  if (result.wrong > 0) throw new Error(`${result.wrong} files had wrong content`);
  return result;
}

/** What http-load.c prints. */
export type HttpResult = {
  seconds: number;
  requests: number;
  failed: number;
  /** Answered with 503, and asked again. */
  refused: number;
  bytes: number;
  p50Ms: number;
  p99Ms: number;
};

export type HttpLoad = {
  port: number;
  /** A file with a path a line. */
  paths: string;
  connections: number;
  seconds: number;
  /** Ends earlier, once so many were asked for: each path once, when there are as many. */
  most?: number;
  /** What the first connection compares its bodies with. */
  file?: string;
};

export async function loadHttp(
  workplace: Workplace,
  server: RunningServer,
  loads: Loads,
  load: HttpLoad,
): Promise<HttpResult> {
  const { port, paths, connections, seconds, most = 0, file } = load;
  const numbers = [connections, seconds, most].map(String);
  const words = [
    loads.http,
    network.head,
    String(port),
    paths,
    ...numbers,
    "read",
    ...(file === undefined ? [] : [file]),
  ];
  const result = JSON.parse(await workplace.load(words, server)) as HttpResult;
  if (result.failed > 0) throw new Error(`${result.failed} of ${result.requests} HTTP requests failed`);
  return result;
}
