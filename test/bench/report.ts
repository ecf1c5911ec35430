/** What `npm run bench` finds out: plain data and the arithmetic on it. */

export const suites = ["dhcp", "tftp", "http", "storm", "scale"] as const;
export type Suite = (typeof suites)[number];

/** Of a larger figure the first are better, of the others worse. */
const largerIsBetter = {
  "exchanges/s": true,
  "requests/s": true,
  "MB/s": true,
  "% answered": true,
  "% whole": true,
  machines: true,
  ms: false,
  s: false,
  "µs CPU": false,
  "ms CPU": false,
  "s CPU/GB": false,
  MB: false,
} as const;
export type Unit = keyof typeof largerIsBetter;

/** One figure of one server in one round. */
export type Sample = { case: string; server: string; unit: Unit; value: number };

/** A rival that could not be measured, and why. `case` is left out where all of the suite failed. */
export type Failure = { case?: string; server: string; message: string };

export type Row = {
  suite: Suite;
  case: string;
  /** Medians over the rounds. Null: not measured, `note` says why. */
  ours: number | null;
  rival: number | null;
  rivalName: string;
  unit: Unit | null;
  /** Above 1: ours is better, whichever way the unit runs. Null where one of them is missing or nothing was there to divide by. */
  ratio: number | null;
  /** Smallest and largest ratio of the single rounds; where there is no rival, of our figures. Null after one round. */
  spread: readonly [number, number] | null;
  note?: string;
};

/** The name under which our own samples go. */
export const ours = "provision";

/** The rival in rows that hold a figure against what it is to be. */
export const goal = "goal";

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/** Smallest and largest; undefined for fewer than two values. */
export function spreadOf(values: readonly number[]): readonly [number, number] | undefined {
  return values.length < 2 ? undefined : [Math.min(...values), Math.max(...values)];
}

/** Above 1: the first is better. Undefined when that cannot be said by a number. */
export function ratioOf(unit: Unit, first: number, second: number): number | undefined {
  if (first === second) return 1;
  const ratio = largerIsBetter[unit] ? first / second : second / first;
  return Number.isFinite(ratio) && ratio > 0 ? ratio : undefined;
}

/** A row for each case, unit and rival, in the order of measuring; samples of one round are compared with one another. */
export function rowsOf(suite: Suite, samples: readonly Sample[], failures: readonly Failure[]): Row[] {
  const byCase = Map.groupBy(samples, ({ case: name, unit }) => JSON.stringify([name, unit]));
  const rows = [...byCase.values()].flatMap((ofCase) => rowsOfCase(suite, ofCase));
  const failed = failures.map(({ case: name, server, message }) => ({
    ...emptyRow(suite, name ?? "all", server),
    note: message,
  }));
  return [...rows, ...failed];
}

function rowsOfCase(suite: Suite, samples: readonly Sample[]): Row[] {
  const [first] = samples;
  if (first === undefined) return [];
  const { case: name, unit } = first;
  const byServer = Map.groupBy(samples, (sample) => sample.server);
  const own = (byServer.get(ours) ?? []).map(({ value }) => value);
  const rivals = [...byServer].filter(([server]) => server !== ours);
  const alone: Row[] = [
    { ...emptyRow(suite, name, ""), ours: median(own) ?? null, unit, spread: spreadOf(own) ?? null },
  ];
  if (rivals.length === 0) return alone;
  return rivals.map(([server, theirs]) =>
    compare(
      suite,
      { name, unit, server },
      own,
      theirs.map(({ value }) => value),
    ),
  );
}

function compare(
  suite: Suite,
  { name, unit, server }: { name: string; unit: Unit; server: string },
  own: readonly number[],
  theirs: readonly number[],
): Row {
  const [first, second] = [median(own), median(theirs)];
  const rounds = own.flatMap((value, round) => {
    const other = theirs[round];
    return other === undefined ? [] : [ratioOf(unit, value, other) ?? []].flat();
  });
  const both = first !== undefined && second !== undefined;
  return {
    ...emptyRow(suite, name, server),
    ours: first ?? null,
    rival: second ?? null,
    unit,
    ratio: both ? (ratioOf(unit, first, second) ?? null) : null,
    spread: spreadOf(rounds) ?? null,
  };
}

function emptyRow(suite: Suite, name: string, rivalName: string): Row {
  return { suite, case: name, ours: null, rival: null, rivalName, unit: null, ratio: null, spread: null };
}
