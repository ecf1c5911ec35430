import type { Hardware, Load, NodeReport } from "./contract.ts";

/** What the sampler asks of the machine (system.ts). */
export type Machine = { load: () => Load; hardware: () => Hardware; outline: () => string };

/** How often all of the hardware is read for what its outline does not show; a busy emulated node takes seconds for it. */
const hardwareCheckMs = 300_000;

/** Makes the reports of one conversation with the head. Hardware goes along until the head has it as it is. */
export class Sampler {
  readonly #machine: Machine;
  #hardware: { json: string; value: Hardware } | undefined;
  #checkedAtMs = 0;
  #outline = "";
  #headHas = "";
  /** The report made last had the hardware in it. */
  #complete = false;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  next(nowMs: number, uptimeSeconds: number): NodeReport {
    const hardware = this.#currentHardware(nowMs);
    const report = { uptimeSeconds, load: this.#machine.load() };
    this.#complete = hardware.json !== this.#headHas;
    return this.#complete ? { ...report, hardware: hardware.value } : report;
  }

  /** The head has taken the report made last. A head that was restarted in between may not know what the last one knew. */
  accepted({ byNewConnection }: { byNewConnection: boolean }): void {
    this.#headHas = this.#complete || !byNewConnection ? (this.#hardware?.json ?? "") : "";
  }

  /** The report made last was refused, or nobody answered. */
  notTaken(): void {
    this.#headHas = "";
  }

  #currentHardware(nowMs: number): { json: string; value: Hardware } {
    const outline = this.#machine.outline();
    if (
      this.#hardware === undefined ||
      outline !== this.#outline ||
      nowMs - this.#checkedAtMs >= hardwareCheckMs
    ) {
      const value = this.#machine.hardware();
      this.#hardware = { json: JSON.stringify(value), value };
      this.#outline = outline;
      this.#checkedAtMs = nowMs;
    }
    return this.#hardware;
  }
}
