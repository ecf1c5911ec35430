import type { ChangeAnswer } from "../model/answers.ts";
import { foldNames } from "../model/node-range.ts";
import type { Run } from "./run.ts";

/** More lines than this are a flood; --json has them all. */
const maxLines = 50;

/**
 * Prints what was changed, or would be: a line a change, then the names, folded. What failed goes to standard error,
 * once for each reason, and makes the exit status 1.
 */
export function reportChange(
  run: Run,
  verb: { done: string; wouldBe: string },
  answer: ChangeAnswer,
): number {
  const { terminal } = run;
  if (run.options.json === true) run.json(answer);
  else {
    for (const line of answer.lines.slice(0, maxLines)) terminal.out(line);
    const hidden = answer.lines.length - maxLines;
    if (hidden > 0) terminal.out(`… and ${hidden} more (--json prints them all)`);
    const word = answer.dryRun ? verb.wouldBe : verb.done;
    if (answer.changed.length > 0) terminal.out(`${word}: ${foldNames(answer.changed)}`);
    if (answer.unchanged.length > 0) terminal.out(`unchanged: ${foldNames(answer.unchanged)}`);
  }
  for (const [message, failures] of Map.groupBy(answer.failed, (failure) => failure.message)) {
    terminal.err(`failed: ${foldNames(failures.map(({ name }) => name))}: ${message}`);
  }
  return answer.failed.length > 0 ? 1 : 0;
}
