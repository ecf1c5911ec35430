import { existsSync, writeFileSync } from "node:fs";
import { execa } from "execa";
import { AppError } from "../lib/errors.ts";
import type { NodeAnswer } from "../model/answers.ts";
import type { ConnectHead } from "./head.ts";
import { inNamespace } from "../system/namespace.ts";
import { type LabPaths, labPaths } from "./paths.ts";
import { openState } from "./state.ts";

/** ssh's command line: with the lab's key, to a host that must have the key the inventory made for it. */
export function sshArguments(paths: LabPaths, ip: string, words: readonly string[]): string[] {
  const options = {
    IdentitiesOnly: "yes",
    UserKnownHostsFile: paths.knownHosts,
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "yes",
    PasswordAuthentication: "no",
    ConnectTimeout: "20",
    LogLevel: "ERROR",
  };
  return [
    "ssh",
    "-F",
    "/dev/null",
    "-i",
    paths.key,
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    `root@${ip}`,
    ...(words.length === 0 ? [] : ["--", ...words]),
  ];
}

/** known_hosts of all nodes: the public halves of what the inventory gave them. */
export function knownHosts(nodes: readonly Pick<NodeAnswer, "ip" | "sshHostKey">[]): string {
  return nodes.map(({ ip, sshHostKey }) => `${ip} ${sshHostKey.split(" ").slice(0, 2).join(" ")}\n`).join("");
}

/** Runs a command on a node, or a shell, with this process's own input and output. @returns ssh's exit status */
export async function labSsh(
  name: string,
  node: string,
  words: readonly string[],
  connect: ConnectHead,
): Promise<number> {
  const paths = labPaths(name);
  const { machines } = openState(paths);
  const known = await askNodes(paths, connect);
  // While the head is away: as it was when somebody last logged in.
  const hosts = known ?? (existsSync(paths.knownHosts) ? machines : []);
  const target = hosts.find((candidate) => candidate.name === node);
  if (target === undefined) {
    throw new AppError("not-found", `the lab's head knows no node ${node}`, {
      hint: `one of: ${hosts.map((candidate) => candidate.name).join(", ")}`,
    });
  }
  if (known !== undefined) writeFileSync(paths.knownHosts, knownHosts(known));
  const [file = "", ...args] = inNamespace(paths.namespace, sshArguments(paths, target.ip, words));
  const result = await execa(file, args, { stdio: "inherit", reject: false });
  return result.exitCode ?? 255;
}

/** Undefined while no head answers. */
async function askNodes(paths: LabPaths, connect: ConnectHead): Promise<readonly NodeAnswer[] | undefined> {
  try {
    return (await connect(paths.socket).nodes()).nodes;
  } catch (error) {
    if (error instanceof AppError && error.code === "unavailable") return undefined;
    throw error;
  }
}
