import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { createHeadProcess } from "../support/head-process.ts";
import { withRack } from "../support/netns.ts";

/** A client of BOOTP that is neither DHCP's nor ours: `ipconfig` of klibc, as Debian's initramfs has it. Needs root, klibc-utils. */
const place = mkdtempSync(join(tmpdir(), "bootp-"));
after(() => rmSync(place, { recursive: true, force: true }));

it(
  "klibc's ipconfig by BOOTP: a node's address, its name, and the root that is set for it",
  { timeout: 60_000 },
  async () => {
    await withRack({ clients: ["one"] }, async (rack) => {
      const head = createHeadProcess(rack, mkdtempSync(join(place, "head-")));
      await head.start();
      try {
        const client = rack.client("one");
        const servers = Array.from({ length: 10 }, (_, at) => `10.77.0.${at + 2}`).join(",");
        const options = [
          "root-path=10.77.0.1:/srv/one",
          "boot-file=one/kernel",
          `ntp-servers=${servers}`,
        ].flatMap((option) => ["--option", option]);
        const added = await head.provision(
          "add-node",
          "n001",
          "--mac",
          client.mac,
          "--ip",
          "10.77.0.11",
          ...options,
        );
        assert.equal(added.exitCode, 0, added.stderr);
        // It keeps what it was told in /run, by interface name, which is `eth0` everywhere.
        const run = join(place, "run");
        const script = `mkdir -p ${run} && mount --bind ${run} /run && exec /usr/lib/klibc/bin/ipconfig -c bootp -t 20 eth0`;
        await rack.exec(client, ["unshare", "--mount", "sh", "-c", script]);
        const told = new Map(
          readFileSync(join(run, "net-eth0.conf"), "utf8")
            .split("\n")
            .map((line) => /^(?<name>\w+)='(?<value>.*)'$/.exec(line)?.groups)
            .map((line) => [line?.["name"], line?.["value"]]),
        );
        assert.deepEqual(
          ["PROTO", "IPV4ADDR", "IPV4NETMASK", "HOSTNAME", "ROOTSERVER", "ROOTPATH", "filename"].map((name) =>
            told.get(name),
          ),
          ["bootp", "10.77.0.11", "255.255.255.0", "n001", "10.77.0.1", "10.77.0.1:/srv/one", "one/kernel"],
        );
        const { stdout } = await head.provision("why", "n001");
        assert.match(stdout, /its BOOTP request has no room for ntp-servers/);
      } finally {
        await head.stop();
      }
    });
  },
);
