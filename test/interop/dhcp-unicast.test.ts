import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DhcpHead } from "../support/dhcp-head.ts";
import { type Rack, type RackHost, createRack } from "../support/netns.ts";

/**
 * How replies reach clients that have no address yet, seen on the wire (RFC 2131 section 4.1). Needs root and Debian's
 * isc-dhcp-client, udhcpc, tcpdump and iproute2.
 */
const place = mkdtempSync(join(tmpdir(), "dhcp-unicast-"));
after(() => rmSync(place, { recursive: true, force: true }));

describe("replies to clients without an address", () => {
  let rack: Rack;

  before(async () => {
    rack = await createRack({ clients: ["one", "two", "three"] });
    await DhcpHead.start(rack, { device: rack.head.device });
  });

  after(() => rack?.dispose());

  const udhcpc = ["udhcpc", "-i", "eth0", "-f", "-n", "-q", "-s", "/bin/true"];

  it("udhcpc: both go to the new address, at its Ethernet address", async () => {
    const host = rack.client("one");
    const replies = await repliesTo(host, udhcpc);
    assert.deepEqual(replies, [straightTo(host), straightTo(host)]);
  });

  it("dhclient: the same", async () => {
    const host = rack.client("two");
    const files = ["-lf", join(place, "leases"), "-pf", join(place, "pid"), "-cf", "/dev/null"];
    const replies = await repliesTo(host, [
      "dhclient",
      "-4",
      "-d",
      "-1",
      "-sf",
      "/bin/true",
      ...files,
      "eth0",
    ]);
    assert.deepEqual(replies, [straightTo(host), straightTo(host)]);
  });

  it("udhcpc -B asks for broadcasts and gets them", async () => {
    const host = rack.client("three");
    const everybody = "ff:ff:ff:ff:ff:ff 255.255.255.255";
    const replies = await repliesTo(host, [...udhcpc, "-B"]);
    assert.equal(replies.length, 2);
    // Their checksum is left to the card, so it is not there yet.
    for (const reply of replies) assert.equal(reply.slice(0, everybody.length), everybody);
  });

  it("and the head's kernel has learnt no neighbour by it", async () => {
    const { stdout } = await rack.exec(rack.head, ["ip", "neighbour", "show"]);
    assert.doesNotMatch(stdout, /10\.77\.0\.20\d/);
  });

  function straightTo({ mac }: RackHost): string {
    return `${mac} 10.77.0.20x udp sum ok`;
  }

  /** Of OFFER and ACK: to which Ethernet and IP address, and what tcpdump says of the checksum. */
  async function repliesTo(host: RackHost, client: readonly string[]): Promise<string[]> {
    const filter = ["udp", "src", "port", "67", "and", "ether", "src", rack.head.mac];
    const watch = rack.spawn(rack.head, [
      ..."tcpdump -lnevv --immediate-mode -c 2 -i br0".split(" "),
      ...filter,
    ]);
    await new Promise<void>((resolve) => {
      watch.stderr?.on("data", (text) => String(text).includes("listening on") && resolve());
    });
    const running = rack.spawn(host, client);
    const { stdout } = await watch;
    running.kill("SIGTERM");
    await running;
    const packets = String(stdout).matchAll(
      /> (?<mac>[0-9a-f:]{17}), ethertype IPv4[^]*?\.67 > (?<ip>[\d.]+)\.68: \[(?<sum>[^\]]+)\] BOOTP\/DHCP, Reply/g,
    );
    return [...packets].map(({ groups = {} }) => {
      const ip = groups["ip"]?.replace(/(10\.77\.0\.20)\d$/, "$1x");
      return `${groups["mac"]} ${ip} ${groups["sum"]}`;
    });
  }
});
