import { type Suite, suites } from "./report.ts";

export type BenchArguments = { only: readonly Suite[]; quick: boolean; json: boolean };

export const usage = `Usage: npm run bench -- [--only SUITES] [--quick] [--json]

Measures the head beside the servers people run today, one after the other in every round, and prints a table. Server on
the first core, load on the second, in two network namespaces. Rivals are fetched from Debian's archive into a cache and not
installed. Needs root and two cores. Ctrl-C at any time leaves nothing behind.

  --only SUITES   some of ${suites.join(",")}; all without it
  --quick         a short run of some minutes: good for a first look, its spread is larger
  --json          {"machine":…,"rows":[{"suite","case","ours","rival","rivalName","unit","ratio","spread"}]}

Ratios above 1: ours is better, whichever way the unit runs. A spread is the smallest and the largest ratio of the rounds. The
rival "goal" is what a figure is to be. A row that could not be measured has a "note" that says why.

Exit status: 0 done, 1 failed, 2 wrong usage.
`;

/** Every fault of a command line at once. */
export function parseArguments(
  words: readonly string[],
): { kind: "run"; run: BenchArguments } | { kind: "help" } | { kind: "faults"; faults: readonly string[] } {
  if (words.includes("--help") || words.includes("-h")) return { kind: "help" };
  let only: readonly Suite[] = suites;
  let [quick, json] = [false, false];
  const faults: string[] = [];
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === "--quick") quick = true;
    else if (word === "--json") json = true;
    else if (word === "--only" || word.startsWith("--only=")) {
      const value = word === "--only" ? (queue.shift() ?? "") : word.slice("--only=".length);
      only = suitesOf(value, faults);
    } else faults.push(`there is no option ${word}`);
  }
  return faults.length > 0 ? { kind: "faults", faults } : { kind: "run", run: { only, quick, json } };
}

function suitesOf(value: string, faults: string[]): Suite[] {
  const names = value.split(",").filter((name) => name !== "");
  if (names.length === 0) faults.push(`--only needs some of ${suites.join(",")}`);
  for (const name of names)
    if (!suites.some((suite) => suite === name)) faults.push(`there is no suite ${name}`);
  return suites.filter((suite) => names.includes(suite));
}
