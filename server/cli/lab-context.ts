import { Option } from "commander";
import { existsSync } from "node:fs";
import { defaultConfigFile } from "../config/load.ts";
import { createImageCatalog } from "../image/versions.ts";
import type { LabContext } from "../lab/lab.ts";
import { HeadClient } from "./client.ts";
import { createLabReport } from "./lab-report.ts";
import type { Run } from "./run.ts";

const defaultStore = "/var/lib/provision/images";

/** What every command of the lab takes. */
export type LabOptions = { name: string };

/** What a lab takes from this process. */
export function labContext(run: Run): LabContext {
  const { surroundings, terminal } = run;
  const signal = surroundings.interrupt();
  return {
    checkout: surroundings.checkout,
    searchPath: surroundings.env["PATH"] ?? "",
    signal,
    connectHead: (socket) => new HeadClient(socket, signal),
    findImage: (store, reference) => createImageCatalog(store).find(reference),
    ...createLabReport(terminal),
  };
}

/** The image store of this machine's head, where it has one. */
export function storeOf(run: Run): string {
  const told = run.options.config !== undefined || existsSync(defaultConfigFile);
  return told ? run.config().imageStore : defaultStore;
}

/** `--name` */
export function labName(): Option {
  return new Option(
    "--name <lab>",
    "which lab, where there are several (default: the one without a name)",
  ).default("");
}
