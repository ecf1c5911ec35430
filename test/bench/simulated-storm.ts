import type { SimulationReport } from "../../server/simulate/report.ts";
import type { Head } from "./head.ts";
import type { Bench, Measurements } from "./measuring.ts";
import { ours } from "./report.ts";

const machines = 1000;

/** The goal for the CPU time of a machine's boot, the bytes of its files left out, in milliseconds. */
const wantedMs = 25;

type Storm = { firmware: string; files: boolean };

/**
 * Whole boots, packet by packet, from the first DISCOVER to the agent that is up: `provision simulate`, the firmware's own
 * pauses left out and nobody waiting for a turn, so that all of them come at once.
 */
export async function simulatedStorms(
  { workplace, quick }: Bench,
  { head }: { head: Head },
  measurements: Measurements,
): Promise<void> {
  const mixed = "bios,uefi,http";
  const storms: Storm[] = quick
    ? [{ firmware: mixed, files: false }]
    : [...mixed.split(",").map((firmware) => ({ firmware, files: false })), { firmware: mixed, files: true }];
  const rounds = quick ? 1 : 3;
  for (let round = 1; round <= rounds; round += 1) {
    for (const storm of storms) {
      workplace.say(`storm, ${machines} simulated machines (${storm.firmware}), round ${round} of ${rounds}`);
      try {
        await simulate(head, storm, measurements);
      } catch (error) {
        measurements.fail(ours, error, nameOf(storm));
      }
    }
  }
}

async function simulate(head: Head, storm: Storm, measurements: Measurements): Promise<void> {
  const words = ["--nodes", String(machines), "--firmware", storm.firmware, "--pace", "0", "--json"];
  // Its exit status is 1 when one of the machines failed: how many is what is asked for.
  const output = await head.provisionWith([1], "simulate", ...words, ...(storm.files ? [] : ["--no-files"]));
  const report = JSON.parse(output) as SimulationReport;
  const name = nameOf(storm);
  measurements.addWithGoal(`${name}, up`, "machines", report.up, machines);
  if (report.head === undefined) return;
  const { onRecord, cpuMsPerMachine, residentBytesPerMachine } = report.head;
  measurements.addWithGoal(`${name}, every phase on record`, "machines", onRecord, machines);
  if (storm.files) measurements.add(`${name}, a machine`, ours, "ms CPU", cpuMsPerMachine);
  else measurements.addWithGoal(`${name}, a machine`, "ms CPU", cpuMsPerMachine, wantedMs);
  measurements.add(`${name}, memory for each`, ours, "MB", residentBytesPerMachine / 1e6);
  measurements.add(`${name}, until the last is up`, ours, "s", report.durationMs / 1000);
  measurements.add(`${name}, power on to up, p50`, ours, "s", report.total.p50Ms / 1000);
  measurements.add(`${name}, power on to up, p99`, ours, "s", report.total.p99Ms / 1000);
}

function nameOf({ firmware, files }: Storm): string {
  return `${machines.toLocaleString("en")} simulated machines, ${firmware}${files ? "" : ", without files' bytes"}`;
}
