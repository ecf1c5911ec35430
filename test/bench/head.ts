import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { renderConfigFile, type ConfigValues } from "../../server/config/template.ts";
import { ipv4FromNumber, ipv4ToNumber, parseIpv4 } from "../../server/lib/ipv4.ts";
import { network, pause, type RunningServer, type Workplace } from "./workplace.ts";

const command = join(import.meta.dirname, "../../scripts/provision");

/** Of the machines in the inventory, and of those that nobody knows, which get addresses of the pool. */
export const firstNodeMac = 0x52_54_00_00_00_00;
export const firstPoolMac = 0x50_50_00_00_00_00;

/** A head that can be started again and again from one prepared state. */
export type Head = {
  directory: string;
  loaderDirectory: string;
  imageStore: string;
  /** Runs `provision …` on it as a user would. @throws unless it succeeds */
  provision: (...words: string[]) => Promise<string>;
  /** The same where other exit statuses than 0 are good, too. */
  provisionWith: (statuses: readonly number[], ...words: string[]) => Promise<string>;
  /** A head with a copy of what was prepared, so that every start begins with the same leases. */
  start: () => Promise<StartedHead>;
};

/** `startSeconds`: until it says that it serves. */
export type StartedHead = RunningServer & { startSeconds: number };

/**
 * `nodes` machines in the inventory: n000001 and up, with consecutive MAC and IPv4 addresses. `fill` is told the state
 * directory, before the first start.
 */
export async function prepareHead(
  workplace: Workplace,
  nodes: number,
  change: Partial<ConfigValues> & { boot?: { concurrent: number } } = {},
  fill: (stateDirectory: string) => Promise<void> = async () => {},
): Promise<Head> {
  const directory = workplace.scratch(`head-${nodes}`);
  const place = (name: string): string => join(directory, name);
  for (const name of ["images", "loaders"]) mkdirSync(place(name));
  for (const loader of ["undionly.kpxe", "snponly.efi"])
    writeFileSync(join(place("loaders"), loader), loader);
  const config = place("provision.yaml");
  const { boot, ...values } = change;
  // Nobody else is on the wire, and the rivals do not look either: dnsmasq --no-ping, ISC's ping-check false; Kea cannot.
  const probe = `dhcp:\n  probe: "off"\n`;
  const more = boot === undefined ? probe : `${probe}boot:\n  concurrent: ${boot.concurrent}\n`;
  writeFileSync(
    config,
    more +
      renderConfigFile({
        interface: network.device,
        address: network.head,
        subnet: network.subnet,
        pool: `${network.pool.from}-${network.pool.to}`,
        imageStore: place("images"),
        stateDirectory: place("state"),
        sharedDirectory: place("shared"),
        loaderDirectory: place("loaders"),
        socket: place("api.sock"),
        nfsBackend: "ganesha",
        ...values,
      }),
  );
  const provisionWith = async (statuses: readonly number[], ...words: string[]): Promise<string> => {
    const options = { stdin: "ignore", timeout: 300_000, reject: false } as const;
    const ran = await execa(command, ["--config", config, ...words], options);
    if (![0, ...statuses].includes(ran.exitCode ?? -1)) throw new Error(ran.stderr || ran.shortMessage);
    return ran.stdout;
  };
  const provision = (...words: string[]): Promise<string> => provisionWith([], ...words);
  if (nodes > 0) {
    if (nodes >= 10_000) workplace.say(`adding ${nodes} nodes to an inventory`);
    await provision("add-node", ...nodeRange(1, nodes));
  }
  const pristine = place("pristine");
  mkdirSync(place("state"), { recursive: true });
  await fill(place("state"));
  cpSync(place("state"), pristine, { recursive: true });
  return {
    directory,
    loaderDirectory: place("loaders"),
    imageStore: place("images"),
    provision,
    provisionWith,
    start: async () => {
      await execa("rm", ["-rf", place("state")]);
      cpSync(pristine, place("state"), { recursive: true });
      return await startHead(workplace, config, place("log"));
    },
  };
}

/** The words of `add-node` for so many nodes from number `first`. */
export function nodeRange(first: number, count: number): string[] {
  const number = (value: number): string => value.toString().padStart(6, "0");
  const mac = (firstNodeMac + first - 1).toString(16).padStart(12, "0").match(/../g) ?? [];
  const firstIp = parseIpv4(network.firstNode);
  if (firstIp === undefined) throw new Error("the first node's address is none");
  const ip = ipv4FromNumber(ipv4ToNumber(firstIp) + first - 1);
  return [`n[${number(first)}-${number(first + count - 1)}]`, "--mac", `${mac.join(":")}+`, "--ip", `${ip}+`];
}

async function startHead(workplace: Workplace, config: string, logFile: string): Promise<StartedHead> {
  writeFileSync(logFile, "");
  const startedMs = performance.now();
  const server = workplace.serve([command, "--config", config, "serve"], { logFile });
  const deadline = Date.now() + 120_000;
  for (;;) {
    const said = readFileSync(logFile, "utf8");
    if (said.includes("the head serves")) {
      return { ...server, startSeconds: (performance.now() - startedMs) / 1000 };
    }
    if (server.ended()) throw new Error(`the head has ended: ${said}`);
    if (Date.now() > deadline) throw new Error(`the head does not come up: ${said}`);
    await pause(20);
  }
}
