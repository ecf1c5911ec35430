import type { Command } from "commander";
import { act, type CommandText, define } from "../define.ts";
import type { Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "run the head",
  description: `Runs the head in the foreground: one process with DHCP, TFTP, HTTP, the API for this command line, the boot tracker and the schedules, and the NFS server as a child that it watches. It answers on the configured interface only.

Ctrl-C or SIGTERM ends it in order. It may be killed at any moment: what it has acknowledged is on disk, and nodes keep their root while it is away. It logs to standard output, one JSON object on a line; PROVISION_LOG=debug makes it say more.`,
  examples: [
    ["sudo provision serve", "with /etc/provision/provision.yaml"],
    ["sudo provision serve --config ./provision.yaml", "with another configuration"],
  ],
  exitStatus: [
    "0  ended in order",
    "1  could not start (a port is taken, the store is locked), or failed",
    "2  wrong usage, or faults in the configuration: all are told",
  ],
};

/** `provision serve` */
export function addServe(program: Command, surroundings: Surroundings): void {
  act(define(program, "serve", text), text, "other", surroundings, async (run) => {
    const { serve } = await import("../../main.ts");
    return serve(run.configFile());
  });
}
