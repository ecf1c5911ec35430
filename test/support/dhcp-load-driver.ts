import { type Acknowledged, DhcpLoad, type DhcpLoadOptions, type DhcpLoadReport } from "./dhcp-load.ts";

/**
 * DHCP clients as a process of their own, for a network namespace: `node dhcp-load-driver.ts '{"device":"eth0", …}'`. It
 * says on its output who got what, a JSON object a line, and on SIGTERM the report.
 */
export type DhcpLoadArguments = Omit<DhcpLoadOptions, "onAcknowledged">;

/** A line of its output. */
export type DhcpLoadLine =
  | { ready: true }
  | { acknowledged: readonly Acknowledged[] }
  | { report: DhcpLoadReport };

const saidEveryMs = 20;

function say(line: DhcpLoadLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

let gathered: Acknowledged[] = [];
function sayGathered(): void {
  if (gathered.length > 0) say({ acknowledged: gathered });
  gathered = [];
}

async function end(): Promise<void> {
  const report = await load.stop();
  clearInterval(timer);
  sayGathered();
  say({ report });
}

const given = JSON.parse(process.argv[2] ?? "{}") as DhcpLoadArguments;
const load = new DhcpLoad({ ...given, onAcknowledged: (ack) => gathered.push(ack) });
const timer = setInterval(sayGathered, saidEveryMs);
process.once("SIGTERM", () => void end());
await load.start();
say({ ready: true });
