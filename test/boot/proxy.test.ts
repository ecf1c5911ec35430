import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { execa } from "execa";
import type { EventsAnswer, StatusAnswer } from "../../server/model/answers.ts";
import { bootLab, eventually, expectSuccess } from "../support/boot-lab.ts";
import { foreignServer, startDnsmasq } from "../support/foreign-dhcp.ts";

/**
 * Two machines, one with BIOS and one with UEFI, on a network where dnsmasq gives out the addresses and the lab's head
 * only tells what to boot.
 */
const { lab, json, on, provision, status, paths } = bootLab(`proxy-${process.pid}`);
const router = `${paths.namespace}-dhcp`;
const nodes = [
  { name: "n001", ip: "10.77.0.11", mac: "52:54:00:77:00:01", firmware: "bios", client: "ipxe" },
  { name: "n002", ip: "10.77.0.12", mac: "52:54:00:77:00:02", firmware: "uefi", client: "firmware" },
];
let dnsmasq: { stop: () => Promise<void> } | undefined;

/** Another machine at the lab's switch: a namespace of its own, as two servers cannot share one port 67. */
async function plugInRouter(): Promise<void> {
  await execa("ip", ["netns", "add", router]);
  const peer = ["type", "veth", "peer", "name", "router", "netns", paths.namespace];
  await execa("ip", ["link", "add", "eth0", "netns", router, ...peer]);
  await execa("ip", ["-n", paths.namespace, "link", "set", "router", "master", "br0", "up"]);
  await execa("ip", ["-n", router, "address", "add", `${foreignServer}/24`, "brd", "+", "dev", "eth0"]);
  await execa("ip", ["-n", router, "link", "set", "eth0", "up"]);
  dnsmasq = await startDnsmasq(
    (argv) => execa("ip", ["netns", "exec", router, ...argv], { reject: false }),
    Object.fromEntries(nodes.map(({ mac, ip }) => [mac, ip])),
  );
}

before(
  async () => {
    expectSuccess(await lab("up", "--nodes", "0"), ["lab up"]);
    await plugInRouter();
    expectSuccess(await lab("head", "kill"), ["lab head kill"]);
    const config = readFileSync(paths.config, "utf8");
    assert.match(config, /^pool: /m);
    writeFileSync(paths.config, `${config.replace(/^pool: .*$/m, "")}\ndhcp:\n  mode: proxy\n`);
    expectSuccess(await lab("head", "start"), ["lab head start"]);
    for (const { firmware } of nodes) expectSuccess(await lab("add", "--firmware", firmware), ["lab add"]);
  },
  { timeout: 120_000 },
);

after(async () => {
  await lab("down");
  await dnsmasq?.stop();
  await execa("ip", ["netns", "delete", router], { reject: false });
});

test("both are up, with the addresses of the other server and the root of the head", async (t) => {
  for (const { name, ip } of nodes) {
    await eventually(
      `${name} is up`,
      400,
      async () => (await status()).nodes.find((node) => node.name === name && node.state === "up"),
      async () => (await provision("why", name)).stdout,
    );
    const script =
      "findmnt -nt nfs4 -o SOURCE /run/rootfsbase; ip -br -4 address show scope global | awk '{ print $3 }'";
    const [source = "", address] = (await on(name, script)).split("\n");
    assert.match(source, /^10\.77\.0\.1:/);
    assert.equal(address, `${ip}/24`);
  }
  for (const { name, firmware, secondsToUp } of (await status()).nodes) {
    t.diagnostic(`${name} (${firmware}): up after ${secondsToUp} s`);
  }
});

test("what they were told, by whom they were addressed, and that the head gave out nothing", async () => {
  for (const { name, ip, client } of nodes) {
    const { events } = await json<EventsAnswer>("events", name);
    const offers = events.filter((event) => event.kind === "offered");
    const told = offers.find((event) => event.client === client && event.bootFile !== undefined);
    assert.ok(told !== undefined && told.ip === undefined, `${name}: ${JSON.stringify(offers)}`);
    const taken = offers.filter((event) => event.server !== undefined);
    assert.deepEqual(
      new Set(taken.map((event) => `${event.ip} of ${event.server}`)),
      new Set([`${ip} of ${foreignServer}`]),
    );
  }
  const { parts, leases } = await json<StatusAnswer>("status");
  const counters = parts.find(({ name }) => name === "proxy-dhcp")?.counters ?? {};
  // EDK2 asks port 4011, and iPXE, chained or in the card's ROM, takes the offer.
  assert.ok((counters["sent.ACK"] ?? 0) >= 1 && (counters["sent.OFFER"] ?? 0) >= 3, JSON.stringify(counters));
  assert.equal(leases, 0);
});
