import { cpus, release, totalmem } from "node:os";
import { readFileSync } from "node:fs";
import { execa } from "execa";
import { parseArguments, usage } from "./arguments.ts";
import { dhcpSuite } from "./dhcp-suite.ts";
import { httpSuite } from "./http-suite.ts";
import { compileLoads } from "./loads.ts";
import type { Bench } from "./measuring.ts";
import { ours, type Row, type Suite } from "./report.ts";
import { Rivals } from "./rivals.ts";
import { scaleSuite } from "./scale-suite.ts";
import { stormSuite } from "./storm-suite.ts";
import { type Machine, renderReport } from "./table.ts";
import { tftpSuite } from "./tftp-suite.ts";
import { cacheDirectory, openWorkplace } from "./workplace.ts";

const runners: Record<Suite, (bench: Bench) => Promise<Row[]>> = {
  dhcp: dhcpSuite,
  tftp: tftpSuite,
  http: httpSuite,
  storm: stormSuite,
  scale: scaleSuite,
};

const say = (text: string): void => {
  process.stderr.write(`bench: ${text}\n`);
};

async function main(): Promise<number> {
  const parsed = parseArguments(process.argv.slice(2));
  if (parsed.kind === "help") {
    process.stdout.write(usage);
    return 0;
  }
  if (parsed.kind === "faults") {
    process.stderr.write(
      `${parsed.faults.map((fault) => `bench: ${fault}\n`).join("")}try: npm run bench -- --help\n`,
    );
    return 2;
  }
  const missing = missingOf();
  if (missing !== undefined) {
    process.stderr.write(`bench: ${missing}\n`);
    return 1;
  }
  const { only, quick, json } = parsed.run;
  const cache = cacheDirectory(process.env);
  const workplace = await openWorkplace(cache, say);
  const rivals = new Rivals(cache, say);
  try {
    const bench = { workplace, rivals, quick, loads: await compileLoads(workplace) };
    const rows: Row[] = [];
    for (const suite of only) rows.push(...(await runners[suite](bench)));
    const report = { machine: await describeMachine(rivals, quick), rows };
    process.stdout.write(json ? `${JSON.stringify(report)}\n` : renderReport(report));
    return 0;
  } finally {
    await workplace.rack.dispose();
  }
}

function missingOf(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root\ntry: sudo npm run bench";
  if (cpus().length < 2) return "this machine has one core; the server and the load need one each";
  return undefined;
}

async function describeMachine(rivals: Rivals, quick: boolean): Promise<Machine> {
  const { stdout: commit } = await execa("git", ["rev-parse", "--short", "HEAD"], {
    cwd: import.meta.dirname,
    reject: false,
  });
  const system = /^PRETTY_NAME="(?<name>.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.groups?.[
    "name"
  ];
  return {
    takenAt: new Date().toISOString().slice(0, 16).replace("T", " "),
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    system: system ?? "unknown",
    versions: { [ours]: commit === "" ? "unknown" : commit, node: process.version, ...rivals.versions() },
    quick,
  };
}

process.exitCode = await main();
