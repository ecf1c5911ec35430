import type { Effect, Event, WalkPhase } from "./effects.ts";

/** What one machine's boot cost, counted from its effects as they are carried out. */
export class Ledger {
  phase: WalkPhase = "address";
  readonly phaseMs: Partial<Record<WalkPhase, number>> = {};
  toldMs = 0;
  bytes = 0;
  repeats = 0;

  /** `tookMs`: from the effect to its event. */
  count(effect: Effect, event: Event, tookMs: number): void {
    if (effect.kind === "phase") {
      this.phase = effect.phase;
      this.phaseMs[effect.phase] ??= 0;
    } else if (effect.kind === "pause") {
      if (effect.why === "told") this.toldMs += tookMs;
    } else {
      this.phaseMs[this.phase] = (this.phaseMs[this.phase] ?? 0) + tookMs;
    }
    if (event.kind === "http") this.bytes += event.bytes;
    if (event.kind === "tftp" && event.packet.kind === "data") this.bytes += event.packet.data.length;
    // A packet that got no answer is sent again, or it was the last try.
    if (event.kind === "timeout" && (effect.kind === "dhcp" || effect.kind === "tftp")) this.repeats += 1;
  }
}
