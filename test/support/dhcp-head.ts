import { createInterface } from "node:readline";
import { join } from "node:path";
import type { Lease } from "../../server/model/node.ts";
import type { DhcpHeadArguments, DhcpHeadLine } from "./dhcp-head-driver.ts";
import type { Rack } from "./netns.ts";

type Waiter = { wanted: (line: DhcpHeadLine) => boolean; found: (line: DhcpHeadLine) => void };

/** The DHCP server's process in a rack, and what it said. */
export class DhcpHead {
  readonly lines: DhcpHeadLine[] = [];
  #waiters: Waiter[] = [];
  readonly #child: ReturnType<Rack["spawn"]>;

  private constructor(child: ReturnType<Rack["spawn"]>) {
    this.#child = child;
    if (child.stdout === null) throw new Error("the head has no output");
    createInterface({ input: child.stdout }).on("line", (text) => this.#take(text));
  }

  /** Ready to serve when it resolves. */
  static async start(rack: Rack, given: DhcpHeadArguments): Promise<DhcpHead> {
    const driver = join(import.meta.dirname, "dhcp-head-driver.ts");
    const head = new DhcpHead(rack.spawn(rack.head, [process.execPath, driver, JSON.stringify(given)]));
    await head.next((line) => "ready" in line, "being ready");
    return head;
  }

  /** Stops it; its counters. */
  async stop(): Promise<Readonly<Record<string, number>>> {
    const counted = this.next((line) => "counters" in line, "its counters");
    this.#child.kill("SIGTERM");
    const line = await counted;
    await this.#child;
    return "counters" in line ? line.counters : {};
  }

  /** The next lease of this machine, or of this state, that is made durable from now on. */
  async lease(mac: string, state: Lease["state"]): Promise<Lease> {
    const isIt = (lease: Lease): boolean => lease.mac === mac && lease.state === state;
    const line = await this.next((each) => "saved" in each && each.saved.some(isIt), `${mac} ${state}`);
    const lease = "saved" in line ? line.saved.find(isIt) : undefined;
    if (lease === undefined) throw new Error("no lease");
    return lease;
  }

  /** The next line that is wanted, within 30 s. */
  async next(wanted: (line: DhcpHeadLine) => boolean, name: string): Promise<DhcpHeadLine> {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`the head never said ${name}; it said ${JSON.stringify(this.lines)}`));
      }, 30_000);
      const found = (line: DhcpHeadLine): void => {
        clearTimeout(timer);
        resolve(line);
      };
      this.#waiters.push({ wanted, found });
    });
  }

  #take(text: string): void {
    const line = JSON.parse(text) as DhcpHeadLine;
    this.lines.push(line);
    const due = this.#waiters.filter((waiter) => waiter.wanted(line));
    this.#waiters = this.#waiters.filter((waiter) => !due.includes(waiter));
    for (const waiter of due) waiter.found(line);
  }
}
