import { type Command, InvalidArgumentError } from "commander";
import { AppError } from "../../lib/errors.ts";
import type { EventAnswer } from "../../model/answers.ts";
import { HeadClient, headListens } from "../client.ts";
import { act, type CommandText, define } from "../define.ts";
import { formatTime } from "../format.ts";
import type { Run, Surroundings } from "../run.ts";
import type { Style, Terminal } from "../terminal.ts";

const text: CommandText = {
  summary: "print what machines did, as it happens with --follow",
  description: `Prints what the head saw of machines, one event on a line, newest last: what was offered, fetched and reported, by whom. They are kept over restarts of the head.

With --follow it goes on printing events as they happen, until Ctrl-C or until the head stops. JSON is then one object on a line.`,
  examples: [
    ["provision events", "the last 50"],
    ["provision events 'n[001-004]' --limit 1000", "the last 1000 of four nodes"],
    ["provision events --follow", "the last 50, then whatever happens"],
    [
      "provision events --follow --limit 0 --json | jq -c 'select(.kind == \"failed\")'",
      "failures from now on",
    ],
  ],
  exitStatus: ["0  all right", "1  failed; with --follow: no head runs, or it has stopped", "2  wrong usage"],
};

/** The head gives no more at once. */
const maxCount = 100_000;

type Options = { limit: number; follow?: boolean };

/** `provision events` */
export function addEvents(program: Command, surroundings: Surroundings): void {
  const command = define(program, "events", text)
    .argument("[range]", "only events of these nodes (provision help ranges)")
    .option("-f, --follow", "go on with events as they happen")
    .option("--limit <count>", "how many of the past to print, at most (default: 50)", countOf, 50);
  act<Options>(command, text, "reads", surroundings, async (run, range) => {
    if (run.options.follow === true) {
      await follow(run, range);
      return;
    }
    const { limit } = run.options;
    const answer = limit === 0 ? { events: [] } : await run.head((head) => head.events(range, limit));
    if (run.options.json === true) run.json(answer);
    else for (const event of answer.events) run.terminal.out(eventLine(event, run.terminal));
  });
}

function countOf(value: string): number {
  if (/^\d{1,6}$/.test(value) && Number(value) <= maxCount) return Number(value);
  throw new InvalidArgumentError(`it takes a number from 0 to ${maxCount}.`);
}

async function follow(run: Run<Options>, range: string | undefined): Promise<void> {
  const { socket } = run.config();
  if (!(await headListens(socket))) {
    throw new AppError("unavailable", "no head is running, so nothing happens that could be followed", {
      hint: "provision serve; or provision events, without --follow, for the past",
    });
  }
  const head = new HeadClient(socket, run.surroundings.interrupt());
  const print = (event: EventAnswer): void => {
    run.terminal.out(run.options.json === true ? JSON.stringify(event) : eventLine(event, run.terminal));
  };
  // The stream first, so that nothing is lost between the past and it; what is in both is printed once.
  const stream = await head.follow(range);
  let last = -1;
  if (run.options.limit > 0) {
    const { events } = await head.events(range, run.options.limit);
    for (const event of events) print(event);
    last = events.at(-1)?.sequence ?? -1;
  }
  for await (const event of stream) if (event.sequence > last) print(event);
  throw new AppError("unavailable", "the head has stopped", { hint: "provision status" });
}

function eventLine(event: EventAnswer, { paint }: Terminal): string {
  const who = (event.node ?? event.mac).padEnd(17);
  return `${paint("dim", formatTime(event.atMs))}  ${who}  ${paint(kindStyle(event), event.kind.padEnd(8))}  ${event.text}`;
}

function kindStyle({ kind }: EventAnswer): Style {
  if (kind === "failed" || kind === "refused" || kind === "lost") return "red";
  return kind === "up" || kind === "returned" ? "green" : "cyan";
}
