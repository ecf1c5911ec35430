import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import { labPaths, type LabPaths } from "../../server/lab/paths.ts";
import type { LabStatus } from "../../server/lab/status.ts";

export const checkout = join(import.meta.dirname, "../..");
export const command = join(checkout, "scripts/provision");

/** Where the image lies that the boots use; scripts/test has built it. */
export const imageStore = process.env["PROVISION_TEST_IMAGES"] ?? "/var/lib/provision/images";

export type CommandResult = { stdout: string; stderr: string; exitCode: number | undefined };

/** A lab of its own, used through the command line as a user would. */
export type BootLab = {
  name: string;
  paths: LabPaths;
  /** `provision …` about this lab's head; never rejects. */
  provision: (...words: string[]) => Promise<CommandResult>;
  /** The same with --json; rejects unless it succeeds. */
  json: <T>(...words: string[]) => Promise<T>;
  /** `provision lab VERB --name NAME …`; never rejects. */
  lab: (verb: string, ...words: string[]) => Promise<CommandResult>;
  /** What a shell command prints on a node; rejects unless it succeeds. */
  on: (node: string, script: string) => Promise<string>;
  status: () => Promise<LabStatus>;
};

export function bootLab(name = `test-${process.pid}`): BootLab {
  const paths = labPaths(name);
  const provision: BootLab["provision"] = async (...words) => {
    const { stdout, stderr, exitCode } = await execa(command, words, {
      reject: false,
      stdin: "ignore",
      timeout: 600_000,
      env: { PROVISION_CONFIG: paths.config },
    });
    return { stdout, stderr, exitCode };
  };
  const lab: BootLab["lab"] = (verb, ...words) => provision("lab", verb, "--name", name, ...words);
  const json = async <T>(...words: string[]): Promise<T> => {
    const { stdout } = expectSuccess(await provision(...words, "--json"), words);
    return JSON.parse(stdout) as T;
  };
  return {
    name,
    paths,
    provision,
    json,
    lab,
    on: async (node, script) => expectSuccess(await lab("ssh", node, "--", script), [node, script]).stdout,
    status: async () =>
      JSON.parse(expectSuccess(await lab("status", "--json"), ["lab status"]).stdout) as LabStatus,
  };
}

export function expectSuccess(result: CommandResult, words: readonly string[]): CommandResult {
  if (result.exitCode === 0) return result;
  throw new Error(`${words.join(" ")}: exit status ${result.exitCode}\n${result.stdout}\n${result.stderr}`);
}

/** Asks every half second until the answer is one. @throws when it takes longer, with what was answered last */
export async function eventually<T>(
  what: string,
  seconds: number,
  ask: () => Promise<T | undefined>,
  describe: () => Promise<string> = () => Promise.resolve(""),
): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline)
      throw new Error(`not within ${seconds} s: ${what}\n${await describe()}`);
    await delay(500);
  }
}

/** What a lab must not leave behind; taken before it is made. */
export type MachineBefore = { interfaces: readonly string[]; temporary: readonly string[] };

export function machineBefore(): MachineBefore {
  return { interfaces: readdirSync("/sys/class/net"), temporary: temporaryFiles() };
}

function temporaryFiles(): string[] {
  return readdirSync("/tmp").filter((name) => /^provision-(?:lab|kvm)/.test(name));
}

/** The namespace's number, by which processes are in it even when it has no name any more. */
export function namespaceInode(paths: LabPaths): number | undefined {
  return statSync(`/run/netns/${paths.namespace}`, { throwIfNoEntry: false })?.ino;
}

/** Everything of a lab that is still there, one line each. */
export function tracesOf(
  { namespace, directory, exported }: LabPaths,
  before: MachineBefore,
  inode?: number,
): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const devices = readdirSync("/sys/class/net").filter((name) => /^(?:tap|br)\d/.test(name));
  return [
    ...[directory, exported].filter((each) => existsSync(each)).map((each) => `directory ${each}`),
    ...(existsSync(`/run/netns/${namespace}`) ? [`namespace ${namespace}`] : []),
    ...processesOf(namespace, inode),
    ...mounts.filter((line) => line.includes(namespace)).map((line) => `mount ${line}`),
    ...devices.filter((name) => !before.interfaces.includes(name)).map((name) => `interface ${name}`),
    ...temporaryFiles()
      .filter((name) => !before.temporary.includes(name))
      .map((name) => `temporary file ${name}`),
  ];
}

/** Processes with the namespace's name on their command line, or inside it. */
function processesOf(namespace: string, inode: number | undefined): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").join(" ");
      const inside = inode !== undefined && readlinkSync(`/proc/${pid}/ns/net`) === `net:[${inode}]`;
      if (inside || words.includes(`${namespace}/`) || words.includes(`${namespace}-`)) {
        found.push(`process ${pid}: ${words}`);
      }
    } catch {
      // it has just ended
    }
  }
  return found;
}
