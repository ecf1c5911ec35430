import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Rack, type RackHost, createRack } from "../support/netns.ts";

/**
 * Files over networks that lose, double and reorder datagrams, made by packet filters in both namespaces. Needs root and
 * Debian's tftp-hpa, atftp, nftables and iproute2.
 */
const head = "10.77.0.1";
const address = "10.77.0.5";
const support = join(import.meta.dirname, "../support");
const place = mkdtempSync(join(tmpdir(), "tftp-loss-"));
const root = join(place, "root");
const content = randomBytes(1024 * 1024);
/** How long a machine waits for its loader. */
const patienceMs = 30_000;

const fetched = join(place, "fetched");
const from = ["-g", "-r", "loader", "-l", fetched, head];
const clients: Record<string, string[]> = {
  "tftp-hpa, block by block": ["tftp", "-m", "binary", head, "-c", "get", "loader", fetched],
  "atftp, windows of 16": ["atftp", "--option", "blksize 1428", "--option", "windowsize 16", ...from],
};

let rack: Rack;
let lines: AsyncIterator<string>;

before(async () => {
  mkdirSync(root);
  writeFileSync(join(root, "loader"), content);
  rack = await createRack({ clients: [{ name: "client", address: `${address}/24` }] });
  const driver = join(support, "tftp-head-driver.ts");
  const server = rack.spawn(rack.head, [process.execPath, driver, rack.head.device, head, root]);
  assert.ok(server.stdout !== null && server.stdout !== undefined);
  lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "ready");
});

after(async () => {
  await rack.dispose();
  rmSync(place, { recursive: true });
});

/** Rules for what comes in (a sender whose own output drops would see an error) and for what goes out. */
async function filter(host: RackHost, rules: { arrive?: string; leave?: string }): Promise<void> {
  const chains = Object.entries(rules).flatMap(([name, rule]) => [
    `add chain ip loss ${name} { type filter hook ${name === "arrive" ? "input" : "output"} priority 0; }`,
    `add rule ip loss ${name} ${rule}`,
  ]);
  await rack.exec(host, ["nft", ["flush ruleset", "add table ip loss", ...chains].join("; ")]);
}

const lose = (perMille: number) => `meta l4proto udp numgen random mod 1000 < ${perMille} drop`;
/** Blocks and acknowledgements: atftp ends with an error when an OACK comes twice. */
const double = (perMille: number, to: string, device: string) =>
  `udp length != 14-100 numgen random mod 1000 < ${perMille} dup to ${to} device "${device}"`;

async function fetchWhole(command: readonly string[]): Promise<void> {
  rmSync(fetched, { force: true });
  const { exitCode, stderr } = await rack.exec(rack.client("client"), command, {
    reject: false,
    timeout: patienceMs,
  });
  assert.equal(exitCode, 0, stderr);
  assert.ok(readFileSync(fetched).equals(content), "came back changed");
  const line = await lines.next();
  const { outcome, bytes, message } = JSON.parse(String(line.value)) as Record<string, unknown>;
  // A client that has everything leaves, and its last acknowledgement is lost as any other: the head cannot know.
  if (outcome !== "done") assert.equal(message, "the last block was never acknowledged");
  else assert.equal(bytes, content.length);
}

for (const perMille of [10, 50]) {
  describe(`${perMille / 10} % of the datagrams lost each way`, () => {
    before(async () => {
      for (const host of [rack.head, rack.client("client")]) await filter(host, { arrive: lose(perMille) });
    });
    for (const [name, command] of Object.entries(clients)) {
      it(`a mebibyte arrives by ${name}`, () => fetchWhole(command));
    }
  });
}

describe("20 % of the datagrams doubled and 1 % lost each way", () => {
  before(async () => {
    const client = rack.client("client");
    await filter(rack.head, { arrive: lose(10), leave: double(200, address, rack.head.device) });
    await filter(client, { arrive: lose(10), leave: double(200, head, client.device) });
  });
  for (const [name, command] of Object.entries(clients)) {
    it(`a mebibyte arrives by ${name}`, () => fetchWhole(command));
  }
});

describe("a way with a smaller MTU than the head's", () => {
  beforeEach(async () => {
    for (const host of [rack.head, rack.client("client")]) await rack.exec(host, ["nft", "flush ruleset"]);
  });
  it("a window's datagrams that the kernel cannot cut are sent one by one", async () => {
    // The route, not the device: blocks no longer fit a frame, and become fragments.
    await rack.exec(rack.head, [
      "ip",
      "route",
      "replace",
      `${address}/32`,
      "dev",
      rack.head.device,
      "mtu",
      "1000",
    ]);
    await fetchWhole(clients["atftp, windows of 16"] ?? []);
  });
});
