import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
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
import { inNamespace } from "./network.ts";
import type { LabPaths } from "./paths.ts";
import {
  isRunning,
  lastLines,
  type ProcessIdentity,
  run,
  signalProcess,
  startDetached,
  waitForEnd,
} from "./processes.ts";
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

/** A head takes some seconds on a slow machine; its NFS server a few more. */
const startTimeoutMs = 60_000;

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
  const argv = [`${context.checkout}/scripts/provision`, "serve", "--config", paths.config];
  const head = await startDetached(inNamespace(paths.namespace, argv), paths.headLog);
  changeState(paths.state, (state) => ({ ...state, head }));
  const client = context.connectHead(paths.socket);
  await waitForHead(paths, head, client, context.signal);
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

/** Waits until the head and all of its parts serve. @throws AppError with the end of its log when it does not come */
async function waitForHead(
  paths: LabPaths,
  head: ProcessIdentity,
  client: LabHead,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  let last: unknown;
  for (;;) {
    signal.throwIfAborted();
    if (!isRunning(head)) throw headFailure(paths, "the lab's head ended");
    if (performance.now() > deadline) {
      throw headFailure(paths, `the lab's head does not serve after ${startTimeoutMs / 1000} s`, last);
    }
    try {
      const { parts } = await client.status();
      if (parts.every((part) => part.state === "running")) return;
    } catch (error) {
      last = error; // it does not listen yet
    }
    await sleep(200, undefined, { signal });
  }
}

function headFailure(paths: LabPaths, message: string, cause?: unknown): AppError {
  const log = lastLines(paths.headLog, 8);
  return new AppError("unavailable", message, {
    faults: log === "" ? [] : [{ place: paths.headLog, message: `the end of its log:\n${log}` }],
    cause,
  });
}
