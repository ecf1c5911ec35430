import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { renderConfigFile } from "../config/template.ts";
import { AppError } from "../lib/errors.ts";
import type {
  AddNodesRequest,
  ChangeAnswer,
  EventAnswer,
  NodeAnswer,
  StatusAnswer,
} from "../model/answers.ts";
import { labNetwork } from "./addresses.ts";
import { labKernelArguments } from "./kernel-arguments.ts";
import { startHead, waitForHead } from "../system/head-process.ts";
import type { LabPaths } from "./paths.ts";
import { isRunning, run, signalProcess, waitForEnd } from "../system/processes.ts";
import { changeState, openState } from "./state.ts";
import type { Accelerator } from "./qemu.ts";

/** What the lab asks of its head. */
export type LabHead = {
  status: () => Promise<StatusAnswer>;
  nodes: (range?: string) => Promise<{ nodes: readonly NodeAnswer[] }>;
  events: (range: string | undefined, limit: number) => Promise<{ events: readonly EventAnswer[] }>;
  addNodes: (request: AddNodesRequest) => Promise<ChangeAnswer>;
};

/** Speaks to the head that listens on a socket. */
export type ConnectHead = (socket: string) => LabHead;

/** Key pair, directories and configuration of the lab's head. */
export async function prepareHead(
  paths: LabPaths,
  options: { image: string; imageStore: string; accelerator: Accelerator },
): Promise<void> {
  mkdirSync(paths.headState, { mode: 0o700 });
  mkdirSync(paths.shared, { recursive: true });
  chmodSync(paths.shared, 0o1777); // nodes' root is nobody there, and mkdir's mode is masked
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", paths.namespace, "-f", paths.key]);
  writeFileSync(
    paths.config,
    renderConfigFile({
      interface: labNetwork.bridge,
      address: labNetwork.address,
      subnet: labNetwork.subnet,
      pool: labNetwork.pool,
      domain: labNetwork.domain,
      image: options.image,
      imageStore: options.imageStore,
      stateDirectory: paths.headState,
      socket: paths.socket,
      sharedDirectory: paths.shared,
      authorizedKeys: [readFileSync(`${paths.key}.pub`, "utf8").trim()],
      kernelArguments: labKernelArguments(options.accelerator),
      nfsBackend: "ganesha",
    }),
  );
}

/** Starts `provision serve` inside the namespace and waits until it serves. It outlives this process. */
export async function bringUpHead(
  paths: LabPaths,
  context: { checkout: string; connectHead: ConnectHead; signal: AbortSignal },
): Promise<LabHead> {
  if (isRunning(openState(paths).head)) throw new AppError("conflict", "the lab's head runs already");
  const place = {
    name: "the lab's head",
    checkout: context.checkout,
    namespace: paths.namespace,
    config: paths.config,
    log: paths.headLog,
  };
  const head = await startHead(place);
  changeState(paths.state, (state) => ({ ...state, head }));
  const client = context.connectHead(paths.socket);
  await waitForHead(place, head, () => client.status(), context.signal);
  return client;
}

/** Ends the head as a crash would. */
export async function killHead(paths: LabPaths): Promise<void> {
  const { head } = openState(paths);
  if (head === undefined || !signalProcess(head, "SIGKILL")) {
    throw new AppError("conflict", "the lab's head does not run");
  }
  await waitForEnd([head], 10_000);
}
