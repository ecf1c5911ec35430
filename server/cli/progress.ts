import type { Clock } from "../lib/clock.ts";
import { formatDuration } from "./format.ts";
import type { Terminal } from "./terminal.ts";

type Progress = { phase: string; percent: number };

/** A line without a terminal at least so often, that a log shows life. */
const plainIntervalMs = 30_000;

/**
 * How far a long task is, on standard error: one line that is written over on a terminal; elsewhere a line for each
 * phase, and some in between. `tick` is called now and then, for the seconds to go on.
 */
export function createProgressReport(
  terminal: Pick<Terminal, "err" | "progress">,
  clock: Clock,
): { update: (progress: Progress) => void; tick: () => void; end: () => void } {
  const startedAtMs = clock.nowMs();
  let latest: Progress | undefined;
  let shown: (Progress & { atMs: number }) | undefined;

  const lineOf = ({ phase, percent }: Progress): string => {
    const elapsed = formatDuration(Math.floor((clock.nowMs() - startedAtMs) / 1000) * 1000);
    return `${String(percent).padStart(3)} %  ${phase}  (${elapsed})`;
  };
  const tick = (): void => {
    if (latest === undefined) return;
    if (terminal.progress !== undefined) {
      terminal.progress.show(lineOf(latest).slice(0, terminal.progress.width));
      return;
    }
    const nowMs = clock.nowMs();
    if (shown?.phase === latest.phase && nowMs - shown.atMs < plainIntervalMs) return;
    terminal.err(lineOf(latest));
    shown = { ...latest, atMs: nowMs };
  };
  return {
    tick,
    update: (progress) => {
      latest = progress;
      tick();
    },
    end: () => {
      if (latest !== undefined) terminal.progress?.show("");
    },
  };
}
