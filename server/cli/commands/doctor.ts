import type { Command } from "commander";
import type { Config } from "../../config/config.ts";
import { type Check, fail } from "../../doctor/check.ts";
import { readHeadFacts, readMachineFacts } from "../../doctor/facts.ts";
import { type HeadFacts, headChecks } from "../../doctor/head-checks.ts";
import { machineChecks } from "../../doctor/machine-checks.ts";
import { AppError } from "../../lib/errors.ts";
import { chooseBackend } from "../../nfs/choice.ts";
import { findServers, withSystemDirectories } from "../../nfs/servers-found.ts";
import { act, type CommandText, define } from "../define.ts";
import { dhcpServersOn } from "../dhcp-servers.ts";
import type { Run, Surroundings } from "../run.ts";
import type { Style, Terminal } from "../terminal.ts";

const text: CommandText = {
  summary: "check that the head has everything it needs, and say what to do where not",
  description: `Checks this machine and the head's configuration: Node, privileges, programs, boot loaders, every value of the configuration, the interface and its address, the NFS server, ports (each is taken for a moment, unless the head has it), disk space, the database, the image, and the head itself where it runs. Nothing is changed. A "!" may be lived with, an "x" may not.`,
  examples: [
    ["sudo provision doctor", "check everything"],
    ["sudo provision doctor --probe", "and listen for another DHCP server"],
    ["sudo provision doctor --config ./provision.yaml", "check a configuration before it is used"],
    ["sudo provision doctor --json | jq '.checks[] | select(.state != \"ok\")'", "only what is not right"],
  ],
  exitStatus: ["0  nothing failed", "1  something failed", "2  wrong usage"],
};

type Options = { probe?: boolean };

/** `provision doctor` */
export function addDoctor(program: Command, surroundings: Surroundings): void {
  const command = define(program, "doctor", text).option(
    "--probe",
    "also ask for an address on the nodes' network, for 3 s, to hear whether another DHCP server answers; not while the head runs",
  );
  act<Options>(command, text, "reads", surroundings, async (run) => {
    const searchPath = withSystemDirectories(surroundings.env["PATH"] ?? "");
    const checks = [...machineChecks(readMachineFacts(searchPath)), ...(await configured(run, searchPath))];
    if (run.options.json === true) run.json({ checks });
    else run.terminal.out(checks.map((check) => describe(check, run.terminal.paint)).join("\n"));
    return checks.some((check) => check.state === "fail") ? 1 : 0;
  });
}

async function configured(run: Run<Options>, searchPath: string): Promise<readonly Check[]> {
  let config: Config;
  try {
    config = run.config();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const faults = error.faults.map(({ place, message }) => `${place}: ${message}`);
    const detail = [error.message, ...faults].join("\n");
    return [fail("configuration", detail, error.hint ?? `edit ${run.configFile()}`)];
  }
  const [nfs, store] = await Promise.all([nfsOf(config, searchPath), storeOf(run)]);
  const isRunning = "status" in store && store.status.running;
  // A head that runs would take our question for a machine's.
  const others =
    run.options.probe === true && !isRunning ? { otherServers: await dhcpServersOn(config.interface) } : {};
  return headChecks(config, await readHeadFacts(config, { nfs, store, ...others }));
}

async function nfsOf(config: Config, searchPath: string): Promise<HeadFacts["nfs"]> {
  const { backend } = config.nfs;
  if (backend === "none") return { backend };
  try {
    return { backend: chooseBackend(backend, await findServers(searchPath, runProgram)) };
  } catch (error) {
    if (error instanceof AppError) return { problem: error };
    throw error;
  }
}

/** Runs one of the programs that findServers asks, whatever its exit status. */
async function runProgram({ file, args }: { file: string; args: readonly string[] }) {
  const { execa } = await import("execa");
  const { exitCode, all } = await execa(file, args, { reject: false, all: true, stdin: "ignore" });
  return { exitCode: exitCode ?? 127, output: all };
}

async function storeOf(run: Run): Promise<HeadFacts["store"]> {
  try {
    return await run.head(async (head) => {
      const [status, { images }] = await Promise.all([head.status(), head.images()]);
      return { status, images };
    });
  } catch (problem) {
    return { problem };
  }
}

const marks: Readonly<Record<Check["state"], readonly [string, Style]>> = {
  ok: ["ok", "green"],
  warn: ["! ", "yellow"],
  fail: ["x ", "red"],
};

function describe(check: Check, paint: Terminal["paint"]): string {
  const [mark, style] = marks[check.state];
  const [first = "", ...rest] = check.detail.split("\n");
  const fix = check.fix === undefined ? [] : [`try: ${check.fix}`];
  return [
    `${paint(style, mark)}  ${check.name.padEnd(18)}  ${first}`,
    ...[...rest, ...fix].map((line) => `${" ".repeat(24)}${line}`),
  ].join("\n");
}
