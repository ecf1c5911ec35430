import { createInterface } from "node:readline";
import { AppError, messageOf } from "../lib/errors.ts";
import { parseMac } from "../lib/mac.ts";
import { Addresses } from "./addresses.ts";
import type { Machine, WalkPhase } from "./effects.ts";
import { arrivalsMs, random32, randomFrom } from "./random.ts";
import type { WalkLine, WalkMachine, WalkOutcome, WalkSpec } from "./spec.ts";
import { walk } from "./walk.ts";
import { DhcpWire, MachineWire } from "./wires.ts";

/**
 * The process that plays the machines, started as `node walker.ts` where their interface is. What to do comes as a line
 * on standard input; when that ends, so does it, and takes its addresses away again.
 */

/** How often the progress is told. */
const progressMs = 250;

function say(line: WalkLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The machine of a spec: all that is random about it comes from `random`. */
function machineOf(spec: WalkSpec, { mac: text, firmware }: WalkMachine, random: () => number): Machine {
  const mac = parseMac(text);
  if (mac === undefined) throw new AppError("invalid", `${JSON.stringify(text)} is not a MAC address`);
  const uuid = Uint8Array.from({ length: 17 }, (_, at) => (at === 0 ? 0 : Math.floor(random() * 256)));
  return {
    mac,
    firmware,
    uuid,
    xids: [random32(random), random32(random), random32(random)],
    credential: Array.from({ length: 8 }, () => random32(random).toString(16).padStart(8, "0")).join(""),
    patienceMs: spec.patienceMs,
    firstFailureEnds: spec.firstFailureEnds,
    files: spec.files,
  };
}

class Rack {
  readonly #spec: WalkSpec;
  readonly #dhcp: DhcpWire;
  readonly #addresses: Addresses;
  readonly #phases: Partial<Record<WalkPhase, number>> = {};
  #started = 0;

  constructor(spec: WalkSpec, dhcp: DhcpWire, addresses: Addresses) {
    this.#spec = spec;
    this.#dhcp = dhcp;
    this.#addresses = addresses;
  }

  /** Switches every machine on at its time, and resolves when the last has come to its end. */
  async run(): Promise<void> {
    const { machines, arrival, seed, concurrency } = this.#spec;
    const random = randomFrom(seed);
    const atMs = arrivalsMs(arrival, machines.length, random);
    const startedMs = performance.now();
    const queue = machines.map((machine, index) => ({
      name: machine.name,
      machine: machineOf(this.#spec, machine, random),
      atMs: startedMs + (atMs[index] ?? 0),
    }));
    say({ line: "started", atMs: Date.now() });
    const ticking = setInterval(() => this.#tellProgress(), progressMs);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let job = queue[next++]; job !== undefined; job = queue[next++]) {
        const waitMs = job.atMs - performance.now();
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
        say({ line: "outcome", ...(await this.#walkOne(job.name, job.machine)) });
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, queue.length) }, worker));
    clearInterval(ticking);
    this.#tellProgress();
    const { user, system } = process.cpuUsage();
    say({ line: "ended", atMs: Date.now(), cpuMs: (user + system) / 1000 });
  }

  async #walkOne(name: string, machine: Machine): Promise<WalkOutcome> {
    const { pace, ports, transcript } = this.#spec;
    const wire = new MachineWire({
      dhcp: this.#dhcp,
      addresses: this.#addresses,
      mac: machine.mac,
      tftpPort: ports.tftp,
      pace,
    });
    this.#started += 1;
    const startedMs = performance.now();
    const nowMs = (): number => performance.now();
    try {
      return await walk(name, machine, {
        nowMs,
        perform: (effect) => wire.perform(effect),
        reached: (phase) => {
          this.#phases[phase] = (this.#phases[phase] ?? 0) + 1;
        },
        ...(transcript
          ? {
              entry: (entry, phase) =>
                say({ line: "entry", atMs: Math.round(nowMs() - startedMs), phase, entry }),
            }
          : {}),
      });
    } finally {
      wire.close();
    }
  }

  #tellProgress(): void {
    say({ line: "progress", started: this.#started, phases: this.#phases });
  }
}

async function play(spec: WalkSpec, addresses: Addresses): Promise<void> {
  const dhcp = await DhcpWire.open(spec.device, spec.ports.dhcp);
  try {
    await new Rack(spec, dhcp, addresses).run();
  } finally {
    dhcp.close();
  }
}

async function main(): Promise<void> {
  // Ctrl-C is for whoever started this process, who then closes its input.
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
  const input = createInterface({ input: process.stdin });
  let addresses: Addresses | undefined;
  const end = async (): Promise<never> => {
    await addresses?.removeAll().catch(() => undefined); // the interface may be gone
    process.exit();
  };
  input.once("close", () => void end());
  input.once("line", (text: string) => {
    const spec = JSON.parse(text) as WalkSpec;
    addresses = new Addresses(spec.device);
    play(spec, addresses)
      .catch((error: unknown) => {
        const hint = error instanceof AppError ? error.hint : undefined;
        say({ line: "failed", message: messageOf(error), ...(hint === undefined ? {} : { hint }) });
      })
      .finally(() => input.close());
  });
  await new Promise(() => undefined);
}

if (import.meta.main) await main();
