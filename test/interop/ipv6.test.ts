import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { createHeadProcess } from "../support/head-process.ts";
import { type Rack, type RackHost, withRack } from "../support/netns.ts";

/**
 * The kernel's router discovery and ISC dhclient by IPv6 against a real head. Needs root and Debian's isc-dhcp-client,
 * tcpdump, curl and iproute2.
 */
const place = mkdtempSync(join(tmpdir(), "ipv6-"));
after(() => rmSync(place, { recursive: true, force: true }));

const heard = join(place, "heard");

/** What dhclient hears: the address is set as its own script would, the rest is written down. */
const script = join(place, "set-address");
writeFileSync(
  script,
  `#!/bin/sh
env | grep -E '^(reason|new_)' >> ${heard}
case "$reason" in
  PREINIT6) ip -6 address show dev eth0 >/dev/null ;;
  BOUND6) ip -6 address replace "$new_ip6_address/128" dev eth0 nodad ;;
esac
`,
  { mode: 0o755 },
);

async function until(what: string, holds: () => Promise<boolean>, seconds = 15): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await delay(100)) if (await holds()) return;
  assert.fail(`not within ${seconds} s: ${what}`);
}

async function addressOf(rack: Rack, host: RackHost, wanted: RegExp): Promise<string | undefined> {
  const { stdout } = await rack.exec(host, ["ip", "-6", "-brief", "address", "show", "dev", "eth0"]);
  return wanted.exec(stdout)?.[0];
}

/** Plugged in anew, a kernel looks for a router. */
async function replug(rack: Rack, host: RackHost): Promise<void> {
  await rack.exec(host, ["ip", "link", "set", "eth0", "down"]);
  await rack.exec(host, ["ip", "link", "set", "eth0", "up"]);
}

describe("a head with an IPv6 network", () => {
  it("announces it, gives every port its address, and serves boots by it", { timeout: 90_000 }, async () => {
    await withRack({ clients: ["n001"] }, async (rack) => {
      await rack.exec(rack.head, ["ip", "address", "add", "fd77::1/64", "dev", rack.head.device, "nodad"]);
      const head = createHeadProcess(rack, mkdtempSync(join(place, "head-")), {
        ipv6: { address: "fd77::1" },
      });
      const client = rack.client("n001");
      await head.provision("add-node", "n001", "--mac", client.mac, "--ip", "10.77.0.11");
      await head.start();
      try {
        const address = `fd77::1:${client.mac.slice(0, 5).replace(":", "")}:77:1`;
        await replug(rack, client);
        await until("the network is on the link", async () => {
          const { stdout } = await rack.exec(client, ["ip", "-6", "route", "show", "dev", "eth0"]);
          return stdout.includes("fd77::/64");
        });
        assert.equal(
          await addressOf(rack, client, /fd77::[0-9a-f:]+/),
          undefined,
          "nobody makes an address of it by itself",
        );
        const folder = mkdtempSync(join(place, "dhclient-"));
        const files = ["-lf", join(folder, "leases"), "-pf", join(folder, "pid"), "-cf", "/dev/null"];
        const dhclient = ["dhclient", "-6", "-1", "-d", "-D", "LL", "-sf", script, ...files, "eth0"];
        const running = rack.spawn(client, dhclient);
        await until(
          "dhclient has the address",
          async () => (await addressOf(rack, client, /fd77::[0-9a-f:]+/)) !== undefined,
        );
        assert.equal(await addressOf(rack, client, /fd77::[0-9a-f:]+/), address);
        assert.match(readFileSync(heard, "utf8"), /new_dhcp6_domain_search=cluster\.lan\./);
        const mac = client.mac.replaceAll(":", "-");
        const fetched = await rack.exec(client, [
          "curl",
          "-sSg",
          "--max-time",
          "5",
          `http://[fd77::1]:8080/boot/${mac}/script.ipxe`,
        ]);
        assert.match(fetched.stdout, /^#!ipxe/);
        assert.match(fetched.stdout, /http:\/\/\[fd77::1\]:8080\/boot\//);
        assert.doesNotMatch(fetched.stdout, /http:\/\/\d/, "it may have no IPv4 address");
        const file = "snponly.efi";
        const there = `boot/${mac}/loader/${file}`;
        const local = (name: string): string => join(folder, name);
        for (const [name, ...argv] of [
          ["curl", "curl", "-sSg", "--max-time", "10", "-o", local("curl"), `tftp://[fd77::1]/${there}`],
          ["tftp-hpa", "tftp", "-6", "-m", "binary", "fd77::1", "-c", "get", there, local("tftp-hpa")],
          ["atftp", "atftp", "--option", "windowsize 8", "-g", "-r", there, "-l", local("atftp"), "fd77::1"],
        ] as const) {
          await rack.exec(client, argv);
          assert.equal(readFileSync(local(name), "utf8"), file.repeat(5000), name);
        }
        const upwards = ["tftp", "-6", "fd77::1", "-c", "get", "boot/../../etc/passwd", local("none")];
        const refused = await rack.exec(client, upwards, { reject: false });
        assert.match(refused.stdout + refused.stderr, /Error code 2/);
        const { stdout } = await head.provision("status", "--json");
        const parts = (JSON.parse(stdout) as { parts: { name: string; counters: Record<string, number> }[] })
          .parts;
        const counters = parts.find(({ name }) => name === "dhcp6")?.counters;
        assert.ok((parts.find(({ name }) => name === "tftp")?.counters["done"] ?? 0) >= 3, stdout);
        assert.ok((counters?.["sent.REPLY"] ?? 0) >= 1, JSON.stringify(counters));
        running.kill("SIGTERM");
        await running;
      } finally {
        await head.stop();
      }
    });
  });

  it("refuses to start where the interface has not that address", async () => {
    await withRack({ clients: [] }, async (rack) => {
      const head = createHeadProcess(rack, mkdtempSync(join(place, "head-")), {
        ipv6: { address: "fd77::1" },
      });
      await assert.rejects(head.start(), /fd77::1 is not an address of br0/);
    });
  });
});

describe("a head without one", () => {
  it(
    "tells its nodes that there is no router, them alone, and nobody else",
    { timeout: 60_000 },
    async () => {
      await withRack({ clients: ["n001", "stranger"] }, async (rack) => {
        const head = createHeadProcess(rack, mkdtempSync(join(place, "head-")));
        const [node, stranger] = [rack.client("n001"), rack.client("stranger")];
        await head.provision("add-node", "n001", "--mac", node.mac, "--ip", "10.77.0.11");
        await head.start();
        try {
          const filter = "icmp6 and (ip6[40] == 133 or ip6[40] == 134)";
          const capture = rack.spawn(rack.head, ["tcpdump", "-l", "-n", "-i", rack.head.device, filter]);
          let seen = "";
          capture.stdout?.on("data", (text: Buffer) => (seen += text.toString()));
          await delay(1000); // tcpdump is on the wire
          await replug(rack, stranger);
          const linkLocal = (host: RackHost): string => `fe80::5054:ff:fe77:${Number(host.mac.slice(-2))}`;
          await until("the stranger has looked for a router", async () =>
            seen.includes(`${linkLocal(stranger)} > ff02::2`),
          );
          await replug(rack, node);
          await until("the node was answered", async () =>
            seen.includes(`> ${linkLocal(node)}: ICMP6, router advertisement`),
          );
          capture.kill("SIGINT");
          await capture;
          const answers = seen.split("\n").filter((line) => line.includes("router advertisement"));
          assert.ok(
            answers.every((line) => line.includes(`> ${linkLocal(node)}:`)),
            answers.join("\n"),
          );
          const { stdout } = await rack.exec(node, ["ip", "-6", "route", "show"]);
          assert.doesNotMatch(stdout, /default|fd77/);
        } finally {
          await head.stop();
        }
      });
    },
  );
});
