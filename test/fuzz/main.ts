import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { keep, runFuzz } from "./run.ts";
import { fuzzTargets } from "./targets.ts";

const help = `Usage: npm run fuzz -- [TARGET...] [--seconds N] [--seed N] [--dry] | TARGET --input FILE

Feeds every decoder with mutations of real packets, and keeps in test/fuzz/corpus what reaches new code.

  --seconds N    for each target, one after another (default 60)
  --seed N       the same run again (default: another each time)
  --dry          keep nothing
  --input FILE   run this one input, to look at a defect

Targets: ${fuzzTargets.map(({ name }) => name).join(", ")}

Exit status: 0 nothing found wrong, 1 a crash, a hang or growing memory (the input is kept in test/fuzz/defects), 2 wrong usage.
`;

const here = import.meta.dirname;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      dry: { type: "boolean", default: false },
      input: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  const wanted =
    positionals.length === 0 ? fuzzTargets : fuzzTargets.filter(({ name }) => positionals.includes(name));
  const unknown = positionals.filter((name) => fuzzTargets.every((target) => target.name !== name));
  if (unknown.length > 0) throw new Error(`there is no target ${unknown.join(", ")}`);
  if (!(seconds > 0) || !Number.isInteger(seed)) throw new Error("--seconds and --seed take numbers");
  if (values.input !== undefined) {
    for (const target of wanted) target.run(new Uint8Array(readFileSync(values.input)));
    process.stdout.write("nothing wrong with this input\n");
    return 0;
  }
  let wrong = 0;
  for (const { name } of wanted) wrong += await fuzzOne(name, seconds, seed, !values.dry);
  return wrong > 0 ? 1 : 0;
}

async function fuzzOne(target: string, seconds: number, seed: number, keeps: boolean): Promise<number> {
  const show = process.stderr.isTTY;
  const outcome = await runFuzz({
    target,
    seconds,
    seed,
    keeps,
    corpusDirectory: join(here, "corpus", target),
    onProgress: ({ executions, covered }) => {
      if (show)
        process.stderr.write(`\r${target}: ${executions} inputs, ${covered} characters of code\u001b[K`);
    },
  });
  if (show) process.stderr.write("\r\u001b[K");
  const { executions, covered, corpus, found, growthBytes, fault } = outcome;
  const growth = `memory ${growthBytes < 0 ? "-" : "+"}${(Math.abs(growthBytes) / 1024 / 1024).toFixed(1)} MB`;
  process.stdout.write(
    `${target}: ${executions} inputs in ${seconds} s, ${covered} characters of code, ${corpus} kept (${found} new), ${growth}\n`,
  );
  if (fault === undefined) return 0;
  process.stdout.write(`${target}: ${fault.kind}: ${fault.text}\n`);
  if (fault.bytes !== undefined) {
    const file = keep(join(here, "defects"), fault.bytes);
    process.stdout.write(`again: npm run fuzz -- ${target} --input ${file}\n`);
  }
  return 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`fuzz: ${error instanceof Error ? error.message : String(error)}\n${help}`);
  process.exitCode = 2;
}
