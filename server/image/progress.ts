/** How far a build has come. */
export type BuildProgress = {
  /** In words: "installing packages". */
  phase: string;
  /** Of the whole build, 0 to 100. */
  percent: number;
};

type Phase = {
  phase: string;
  /** Percent at its beginning; its end is the beginning of the next. */
  from: number;
  /** What mmdebstrap says when it begins. */
  begins: RegExp;
  /** Lines of which there is one for each package. */
  ticks?: RegExp;
  ticksPerPackage?: number;
};

/** Shares of a real build of debian-13: what takes longest has most of the hundred. */
const phases: readonly Phase[] = [
  { phase: "reading package lists", from: 1, begins: /^I: running apt-get update/ },
  {
    phase: "downloading the base system",
    from: 6,
    begins: /^I: downloading packages with apt/,
    ticks: /^Get:\d+ /,
    ticksPerPackage: 1,
  },
  { phase: "unpacking the base system", from: 10, begins: /^I: extracting archives/ },
  {
    phase: "installing the base system",
    from: 13,
    begins: /^I: installing essential packages/,
    ticks: /^(?:Unpacking|Setting up) /,
    ticksPerPackage: 2,
  },
  {
    phase: "installing packages",
    from: 32,
    begins: /^I: installing remaining packages/,
    ticks: /^(?:Get:\d+|Unpacking|Setting up) /,
    ticksPerPackage: 3,
  },
  { phase: "making the initrd", from: 68, begins: /^I: running --customize-hook/ },
  { phase: "cleaning up", from: 93, begins: /^I: cleaning package lists/ },
];

/** Where mmdebstrap's part ends and sealing the tree begins. */
export const sealingFrom = 94;

/** Reads mmdebstrap's output (with --verbose) line by line; answers a line that tells of progress. Never goes back. */
export function createProgressReader(): (line: string) => BuildProgress | undefined {
  let index = -1;
  let percent = 0;
  let packages = 0;
  let ticks = 0;
  return (line) => {
    const begun = phases.findIndex((candidate) => candidate.begins.test(line));
    if (begun > index) {
      index = begun;
      ticks = 0;
    } else {
      const counted = /^\d+ upgraded, (\d+) newly installed/.exec(line);
      if (counted !== null) packages = Number(counted[1]);
      if (phases[index]?.ticks?.test(line) !== true) return undefined;
      ticks += 1;
    }
    const phase = phases[index];
    if (phase === undefined) return undefined;
    const share = packages === 0 ? 0 : Math.min(1, ticks / (packages * (phase.ticksPerPackage ?? 1)));
    const to = phases[index + 1]?.from ?? sealingFrom;
    percent = Math.max(percent, Math.floor(phase.from + (to - phase.from) * share));
    return { phase: phase.phase, percent };
  };
}
