import type { Command } from "commander";
import { act, type CommandText, define } from "../define.ts";
import type { Surroundings } from "../run.ts";

const text: CommandText = {
  summary: "run the head",
  description: `Runs the head in the foreground: one process with DHCP, TFTP, HTTP, the API for this command line, the boot tracker and the schedules, and the NFS server as a child that it watches. It answers on the configured interface only.

Where another DHCP server gives out the addresses, the head serves beside it (dhcp.mode: proxy in the configuration, or --proxy): it tells machines that boot from the network what to boot, by proxyDHCP on ports 67 and 4011, and never gives out an address.

Ctrl-C or SIGTERM ends it in order. It may be killed at any moment: what it has acknowledged is on disk, and nodes keep their root while it is away. It logs to standard output, one JSON object on a line; PROVISION_LOG=debug makes it say more.`,
  examples: [
    ["sudo provision serve", "with /etc/provision/provision.yaml"],
    ["sudo provision serve --config ./provision.yaml", "with another configuration"],
    ["sudo provision serve --proxy", "beside another DHCP server, this time"],
  ],
  exitStatus: [
    "0  ended in order",
    "1  could not start (a port is taken, the store is locked), or failed",
    "2  wrong usage, or faults in the configuration: all are told",
  ],
};

/** `provision serve` */
export function addServe(program: Command, surroundings: Surroundings): void {
  const command = define(program, "serve", text).option(
    "--proxy",
    "give out no addresses, whatever the configuration says: another DHCP server does",
  );
  act<{ proxy?: boolean }>(command, text, "other", surroundings, async (run) => {
    const { serve } = await import("../../main.ts");
    return serve(run.configFile(), { proxy: run.options.proxy === true });
  });
}
