import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openDatabase } from "../../server/inventory/database.ts";
import { LeaseStore } from "../../server/inventory/lease-store.ts";
import type { Ipv4 } from "../../server/lib/ipv4.ts";
import type { Lease } from "../../server/model/node.ts";
import type { Acknowledged, DhcpLoadReport } from "../support/dhcp-load.ts";
import type { DhcpLoadArguments, DhcpLoadLine } from "../support/dhcp-load-driver.ts";
import { createHeadProcess, type HeadProcess } from "../support/head-process.ts";
import { createRack, type Rack } from "../support/netns.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const kills = 20;
const exchangesPerSecond = 5000;
/** More than are served in one life of the head, so that each kill meets new clients and, later on, returning ones. */
const clients = 20_000;
/** A reply that the head sent before it was killed still has to be read by its client. */
const lateMs = 100;

/** What the clients were told, over all lives of the head. */
class Acknowledgements {
  readonly byIp = new Map<string, Acknowledged>();
  readonly #child: ReturnType<Rack["spawn"]>;
  readonly ready: Promise<void>;
  readonly report: Promise<DhcpLoadReport>;
  count = 0;

  constructor(rack: Rack, given: DhcpLoadArguments) {
    const driver = join(import.meta.dirname, "../support/dhcp-load-driver.ts");
    const host = rack.client("relay");
    this.#child = rack.spawn(host, [process.execPath, driver, JSON.stringify(given)], { buffer: false });
    const ready = Promise.withResolvers<void>();
    const report = Promise.withResolvers<DhcpLoadReport>();
    this.ready = ready.promise;
    this.report = report.promise;
    if (this.#child.stdout === null) throw new Error("the clients have no output");
    createInterface({ input: this.#child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as DhcpLoadLine;
      if ("ready" in line) ready.resolve();
      else if ("report" in line) report.resolve(line.report);
      else for (const ack of line.acknowledged) this.#take(ack);
    });
  }

  stop(): void {
    this.#child.kill("SIGTERM");
  }

  /** No lease runs out or is given back in this test: an address belongs to the first client that got it. */
  #take(ack: Acknowledged): void {
    const earlier = this.byIp.get(ack.ip);
    if (earlier !== undefined && earlier.mac !== ack.mac) {
      throw new Error(`${ack.ip} was given to ${earlier.mac} and to ${ack.mac}`);
    }
    this.byIp.set(ack.ip, ack);
    this.count += 1;
  }
}

async function rackWithHead(t: TestContext): Promise<{ rack: Rack; head: HeadProcess }> {
  const rack = await createRack({
    clients: [{ name: "relay", address: "10.77.0.2/16" }],
    networks: [{ name: "br0", address: "10.77.0.1/16" }],
  });
  const head = createHeadProcess(rack, temporaryDirectory(t), {
    subnet: "10.77.0.0/16",
    pool: "10.77.16.0-10.77.255.250",
  });
  t.after(async () => {
    await head.stop("SIGKILL");
    await rack.dispose();
  });
  return { rack, head };
}

/** What is on the disk of a head that does not run. */
async function leasesOnDisk(head: HeadProcess): Promise<ReadonlyMap<string, Lease>> {
  const database = await openDatabase(join(head.directory, "state"));
  try {
    const leases = await new LeaseStore(database).loadLeases();
    return new Map(leases.map((lease) => [lease.ip, lease]));
  } finally {
    await database.close();
  }
}

/** Those of the acknowledged leases that a head could not know of after its restart. */
function lost(acknowledged: Iterable<Acknowledged>, disk: ReadonlyMap<string, Lease>): string[] {
  return [...acknowledged].flatMap((ack) => {
    const lease = disk.get(ack.ip);
    const isThere =
      lease?.mac === ack.mac &&
      lease.state === "bound" &&
      // The ACK's time is the client's, a moment later than the head's.
      lease.expiresAtMs > ack.atMs + ack.leaseSeconds * 1000 - 5000;
    return isThere ? [] : [`${ack.ip} of ${ack.mac}: ${JSON.stringify(lease)}`];
  });
}

test(`killed ${kills} times under ${exchangesPerSecond} exchanges a second, the head keeps every lease it acknowledged`, async (t) => {
  const { rack, head } = await rackWithHead(t);
  await head.start();
  const seen = new Acknowledgements(rack, {
    device: "eth0",
    relay: "10.77.0.2" as Ipv4,
    server: "10.77.0.1" as Ipv4,
    exchangesPerSecond,
    clients,
  });
  await seen.ready;
  for (let kill = 1; kill <= kills; kill += 1) {
    const before = seen.count;
    while (seen.count === before) await delay(10); // it serves again
    await delay(Math.random() * 800);
    await head.stop("SIGKILL");
    await delay(lateMs);
    const disk = await leasesOnDisk(head);
    assert.deepEqual(lost(seen.byIp.values(), disk).slice(0, 5), [], `after kill ${kill}`);
    await head.start();
  }
  seen.stop();
  const report = await seen.report;
  await head.stop();
  assert.deepEqual(lost(seen.byIp.values(), await leasesOnDisk(head)).slice(0, 5), []);
  assert.ok(seen.count > kills * 500, `only ${seen.count} leases were acknowledged`);
  t.diagnostic(
    `${seen.count} ACKs for ${seen.byIp.size} addresses over ${kills} kills; ${JSON.stringify(report)}`,
  );
});
