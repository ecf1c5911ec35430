import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline/promises";
import { type Command, InvalidArgumentError } from "commander";
import { parseConfig } from "../../config/load.ts";
import { machineFaults, readMachineNetwork } from "../../config/machine.ts";
import { type ConfigValues, renderConfigFile } from "../../config/template.ts";
import type { Config } from "../../config/config.ts";
import { AppError } from "../../lib/errors.ts";
import { act, collectList, type CommandText, define } from "../define.ts";
import { dhcpServersOn } from "../dhcp-servers.ts";
import { flagOfKey, type InitFlags, valuesOf } from "../init-values.ts";
import { flagsOf, type Proposal, proposals, proposalsOf } from "../proposal.ts";
import { usageError } from "../problem.ts";
import type { Run, Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "write the head's configuration and make its database",
  description: `Writes a commented configuration of the head (--config, by default /etc/provision/provision.yaml) and makes the directories and the database that it names. Every value is checked, also against this machine, before anything is written.

The head serves one network interface and answers on no other. With --interface, what is not told is taken from that interface's address. Without it, init proposes an interface that has a private address, and asks; where there is no terminal to ask on, it only says which flags it would take. It never overwrites a configuration without --force.

Before it proposes to give out addresses, init listens for another DHCP server on that network. Where one answers, the head can serve beside it (--proxy): the other one gives out the addresses, and the head tells machines what to boot. --pool says that the head is to give them out all the same.`,
  examples: [
    [
      "sudo provision init --interface eth1",
      "address and subnet as eth1 has them, the pool from its upper part",
    ],
    [
      "sudo provision init --interface eth1 --address 10.0.1.1 --subnet 10.0.1.0/24 --pool 10.0.1.200-10.0.1.250",
      "everything told",
    ],
    ["sudo provision init", "propose, and ask"],
    ["sudo provision init --interface eth1 --proxy", "beside a DHCP server that gives out the addresses"],
    ["provision init --interface eth1 --dry-run", "print the file that would be written"],
  ],
  exitStatus: [
    "0  written",
    "1  failed, or the configuration exists",
    "2  wrong usage or values that do not fit; nothing was written",
  ],
};

type Options = InitFlags & { force?: boolean };

/** `provision init` */
export function addInit(program: Command, surroundings: Surroundings): void {
  const command = define(program, "init", text);
  addFlags(command);
  act<Options>(command, text, "changes", surroundings, async (run) => {
    const file =
      run.options.config ?? run.surroundings.env["PROVISION_CONFIG"] ?? "/etc/provision/provision.yaml";
    if (existsSync(file) && run.options.force !== true && run.options.dryRun !== true) {
      throw new AppError("conflict", `${file} exists`, {
        hint: "--force overwrites it, --dry-run prints the new one",
      });
    }
    const content = renderConfigFile(await besideOthers(run, await settle(run)));
    const config = check(content, file);
    if (run.options.dryRun === true) run.terminal.out(content.trimEnd());
    else await write(run, config, content);
  });
}

function addFlags(command: Command): void {
  command
    .option("--interface <name>", "the one network interface that is served")
    .option("--address <ip>", "the head's own address on it (default: the one it has)")
    .option("--subnet <subnet>", "network of the nodes, ADDRESS/BITS (default: that address's)")
    .option(
      "--pool <first-last>",
      "addresses for machines that are not in the inventory (default: .200 to .250 of a /24, and the like)",
    )
    .option("--proxy", "give out no addresses: another DHCP server of this network does")
    .option("--domain <name>", "domain of the nodes (default: cluster.lan)")
    .option("--router <ip>", "default route of the nodes (default: none)")
    .option(
      "--dns <ips>",
      "name servers of the nodes, with commas or given several times (default: none)",
      collectList,
    )
    .option("--lease-seconds <seconds>", "how long an address is handed out for (default: 3600)", wholeNumber)
    .option("--image <image>", "image of nodes that name none (default: debian-13)")
    .option("--image-store <directory>", "where images are kept (default: /var/lib/provision/images)")
    .option("--state-directory <directory>", "database, backups (default: /var/lib/provision)")
    .option("--shared-directory <directory>", "what nodes mount as /shared (default: /srv/provision/shared)")
    .option("--loader-directory <directory>", "boot loaders (default: /usr/lib/ipxe)")
    .option(
      "--raspberry-pi-directory <directory>",
      "boot files of Raspberry Pis (default: none, and they boot nothing)",
    )
    .option("--socket <path>", "the API's socket (default: /run/provision/api.sock)")
    .option(
      "--authorized-key <key>",
      "a public key that may log in as root on every node; once for each",
      appendKey,
    )
    .option(
      "--nfs-backend <name>",
      "NFS server: kernel, ganesha or auto (default: auto, the kernel's where it is available)",
    )
    .option("--dhcp-port <port>", "port of DHCP (default: 67; firmware knows no other)", wholeNumber)
    .option("--boot-server-port <port>", "port of PXE boot servers (default: 4011)", wholeNumber)
    .option("--tftp-port <port>", "port of TFTP (default: 69; firmware knows no other)", wholeNumber)
    .option("--tftp-single-port", "send files from that port, too, for firewalls that let no other through")
    .option("--http-port <port>", "port of HTTP (default: 8080)", wholeNumber)
    .option("--nfs-port <port>", "port of NFS (default: 2049)", wholeNumber)
    .option("--force", "overwrite a configuration that exists; the database is kept");
}

function wholeNumber(value: string): number {
  if (/^\d{1,9}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("it takes a number.");
}

function appendKey(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** The flags' values, with what an interface of this machine adds to them. */
async function settle(run: Run<Options>): Promise<ConfigValues> {
  const { options } = run;
  const machine = readMachineNetwork();
  const { interface: name, address } = options;
  if (name !== undefined && !machine.exists(name)) {
    const known = Object.keys(machine.interfaces).filter((other) => other !== "lo");
    throw usageError(
      "--interface",
      `there is no ${name}; this machine has ${known.join(", ") || "none that is up"}`,
    );
  }
  const found = name === undefined ? proposals(machine) : proposalsOf(name, machine);
  const named = found.filter((proposal) => proposal.address === address);
  if (named.length === 1) return valuesOf(options, named[0]);
  if (name === undefined) return valuesOf(options, await choose(run, found));
  return valuesOf(options, address === undefined ? found[0] : undefined);
}

/**
 * Two servers that give out addresses on one network harm everybody on it: where another one answers, an administrator
 * has to say which of them does.
 */
async function besideOthers(run: Run<Options>, values: ConfigValues): Promise<ConfigValues> {
  const { pool, proxy } = run.options;
  if (proxy === true || pool !== undefined) return values;
  const servers = await dhcpServersOn(values.interface);
  if (servers.length === 0) return values;
  const found = `${servers.join(", ")} gives out addresses on ${values.interface} already`;
  if (run.terminal.interactive) {
    const isYes = await ask(`${found}.\nServe beside it, and give out none (proxyDHCP)? [y/N] `);
    const { pool: _, ...others } = values;
    if (isYes) return { ...others, dhcpMode: "proxy" };
  }
  throw usageError("--proxy", `is needed, or --pool: ${found}`, "provision help init");
}

async function choose(run: Run<Options>, found: readonly Proposal[]): Promise<Proposal> {
  const [first, ...others] = found;
  const needed = "is needed: which network does this machine serve?";
  if (first === undefined) {
    const hint = "give an interface a private address, then: provision init --interface NAME";
    throw usageError("--interface", needed, hint);
  }
  const lines = found.map((proposal) => `provision init ${flagsOf(proposal)}`);
  if (!run.terminal.interactive || others.length > 0) {
    throw usageError("--interface", needed, lines.join("\n     "));
  }
  const isYes = await ask(
    `${flagsOf(first)}\nServe the machines on ${first.interface}, with these values? [y/N] `,
  );
  if (isYes) return first;
  throw usageError("", "nothing was written", lines[0]);
}

async function ask(text: string): Promise<boolean> {
  const question = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(?:es)?$/i.test((await question.question(text)).trim());
  } finally {
    question.close();
  }
}

/** Faults name the flag to change, since the file is not there yet. */
function check(content: string, file: string): Config {
  const config = namingFlags(() => parseConfig(content, file));
  const faults = machineFaults(config, readMachineNetwork());
  return namingFlags(() => {
    if (faults.length > 0) throw new AppError("invalid", "the values do not fit this machine", { faults });
    return config;
  });
}

function namingFlags<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const faults = error.faults.map(({ place, message }) => ({ place: flagOfKey(place), message }));
    throw new AppError(error.code, "the values do not make a configuration", { faults, cause: error });
  }
}

async function write(run: Run<Options>, config: Config, content: string): Promise<void> {
  for (const directory of [dirname(config.file), config.imageStore, config.sharedDirectory]) {
    mkdirSync(directory, { recursive: true });
  }
  mkdirSync(config.stateDirectory, { recursive: true, mode: 0o755 });
  writeAtomically(config.file, content);
  const { openCore } = await import("../../core.ts");
  const core = await openCore(config, { log: run.log() });
  await core.close();
  if (run.options.json === true) run.json({ config: config.file, stateDirectory: config.stateDirectory });
  else {
    const told = run.options.config;
    run.terminal.out(nextSteps(config, told === undefined ? "" : ` --config ${told}`));
  }
}

function writeAtomically(file: string, content: string): void {
  const draft = `${file}.${process.pid}.new`;
  try {
    writeFileSync(draft, content, { mode: 0o644, flush: true });
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

function nextSteps(config: Config, flag: string): string {
  const steps = [
    [`build-image ${config.image.split("@")[0]}`, "an image for the nodes, in some minutes"],
    ["doctor", "is everything there that the head needs?"],
    ["serve", "run the head"],
    ["list-discovered", "machines that have been switched on meanwhile"],
    ["help add-node", "how to make nodes of them"],
  ].map(([words = "", meaning = ""]) => {
    const line = `provision ${words}${words.startsWith("help") ? "" : flag}`;
    return [line, meaning] as const;
  });
  const width = Math.max(...steps.map(([line]) => line.length));
  return [
    `${config.file} and the database in ${config.stateDirectory} are ready.`,
    "Next:",
    ...steps.map(([line, meaning]) => `  ${line.padEnd(width)}   ${meaning}`),
  ].join("\n");
}
