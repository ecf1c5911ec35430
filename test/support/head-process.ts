import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type ResultPromise, execa } from "execa";
import { renderConfigFile, type ConfigValues } from "../../server/config/template.ts";
import type { Rack } from "./netns.ts";

const command = join(import.meta.dirname, "../../scripts/provision");

/** A real head in a rack's head namespace: `provision serve`, with its state in `directory`. */
export type HeadProcess = {
  config: string;
  directory: string;
  /** Runs a command as a user would; never rejects. */
  provision: (...argv: string[]) => Promise<{ stdout: string; stderr: string; exitCode: number | undefined }>;
  /** Starts the head and resolves when it serves; rejects with what it said when it ends before. */
  start: () => Promise<void>;
  /** `signal` and the end of it. */
  stop: (signal?: NodeJS.Signals) => Promise<void>;
};

export function createHeadProcess(
  rack: Rack,
  directory: string,
  change: Partial<ConfigValues> = {},
): HeadProcess {
  const config = join(directory, "provision.yaml");
  for (const name of ["images", "loaders"]) mkdirSync(join(directory, name), { recursive: true });
  for (const loader of ["undionly.kpxe", "snponly.efi"])
    writeFileSync(join(directory, "loaders", loader), loader.repeat(5000));
  writeFileSync(
    config,
    renderConfigFile({
      interface: rack.head.device,
      address: "10.77.0.1",
      subnet: "10.77.0.0/24",
      ...(change.dhcpMode === "proxy" ? {} : { pool: "10.77.0.200-10.77.0.250" }),
      imageStore: join(directory, "images"),
      stateDirectory: join(directory, "state"),
      sharedDirectory: join(directory, "shared"),
      loaderDirectory: join(directory, "loaders"),
      socket: join(directory, "api.sock"),
      nfsBackend: "ganesha",
      ...change,
    }),
  );
  const provision: HeadProcess["provision"] = async (...argv) => {
    const { stdout, stderr, exitCode } = await execa(command, ["--config", config, ...argv], {
      reject: false,
      timeout: 30_000,
      stdin: "ignore",
    });
    return { stdout, stderr, exitCode };
  };
  let child: ResultPromise | undefined;
  return {
    config,
    directory,
    provision,
    start: async () => {
      const started = rack.spawn(rack.head, [command, "--config", config, "serve"], { stdin: "ignore" });
      child = started;
      let said = "";
      started.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
      started.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
      let ended = false;
      void started.then(() => (ended = true));
      const deadline = Date.now() + 40_000;
      while (!said.includes("the head serves")) {
        if (ended) throw new Error(said);
        if (Date.now() > deadline) throw new Error(`the head does not come up: ${said}`);
        await delay(50);
      }
    },
    stop: async (signal = "SIGTERM") => {
      child?.kill(signal);
      await child;
      child = undefined;
      if (signal === "SIGTERM" && existsSync(join(directory, "api.sock")))
        throw new Error("the head left its socket behind");
    },
  };
}
