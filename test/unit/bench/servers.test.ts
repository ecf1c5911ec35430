import assert from "node:assert/strict";
import { test } from "node:test";
import {
  dnsmasqLeases,
  dnsmasqOptions,
  iscConfig,
  iscLeases,
  keaConfig,
  poolLeases,
  reservations,
} from "../../bench/dhcp-servers.ts";
import { nodeRange } from "../../bench/head.ts";
import { lossRules } from "../../bench/loss.ts";
import { nginxConfig } from "../../bench/nginx.ts";
import { perfdhcpWords, readPerfdhcp } from "../../bench/perfdhcp.ts";
import { cpuTicksOf } from "../../bench/workplace.ts";

test("every server is given the same machines, with consecutive addresses", () => {
  const [first, , , last] = [...reservations(2), undefined, ...reservations(300).slice(-1)];
  assert.deepEqual(first, { mac: "52:54:00:00:00:00", ip: "10.66.0.1" });
  assert.deepEqual(last, { mac: "52:54:00:00:01:2b", ip: "10.66.1.44" });
  const range = ["n[000001-000300]", "--mac", "52:54:00:00:00:00+", "--ip", "10.66.0.1+"];
  assert.deepEqual(nodeRange(1, 300), range);
  assert.deepEqual(nodeRange(300, 1), [
    "n[000300-000300]",
    "--mac",
    "52:54:00:00:01:2b+",
    "--ip",
    "10.66.1.44+",
  ]);
});

test("the rivals' configurations have the reservations and no more work than that needs", () => {
  const { Dhcp4 } = JSON.parse(keaConfig("/leases", reservations(1))) as { Dhcp4: Record<string, unknown> };
  const [subnet] = Dhcp4["subnet4"] as { reservations: unknown; pools: unknown }[];
  assert.deepEqual(subnet?.reservations, [{ "hw-address": "52:54:00:00:00:00", "ip-address": "10.66.0.1" }]);
  assert.deepEqual(subnet.pools, [{ pool: "10.65.0.1 - 10.65.234.96" }]);
  const without = JSON.parse(keaConfig("/leases", [])) as { Dhcp4: Record<string, unknown> };
  assert.equal(without.Dhcp4["reservations-in-subnet"], false);
  assert.match(
    iscConfig(reservations(1)),
    /^host n0 \{ hardware ethernet 52:54:00:00:00:00; fixed-address 10\.66\.0\.1; \}$/m,
  );
  assert.ok(dnsmasqOptions("/d").includes("--dhcp-range=10.65.0.1,10.65.234.96,255.248.0.0,1h"));
});

test("nginx gives files, or one text with its quotes and dollars as they are", () => {
  const files = nginxConfig("/s", { directory: "/d", sendfile: true, port: 8081 });
  assert.match(files, /sendfile on;[^]*location \/ \{ root \/d\/www; \}/);
  const text = nginxConfig("/s", { directory: "/d", sendfile: false, port: 8081, text: 'a "b" $c' });
  assert.match(text, /return 200 "a \\"b\\" \$\{dollar\}c";/);
});

test("loss is told in tenths of a percent of packets that arrive", () => {
  assert.match(lossRules(5), /hook input/);
  assert.match(lossRules(5), /mod 1000 < 50 drop/);
});

test("CPU time is read of a process whose name has spaces and parentheses, with that of its children", () => {
  const stat = "12 (a) b (c)) S 1 1 1 0 -1 4194304 100 0 0 0 7 11 13 17 20 0 1 0 100 0 0";
  assert.equal(cpuTicksOf(stat), 7 + 11 + 13 + 17);
});

test("servers that are slow to fill are given leases as they write them themselves", () => {
  const leases = poolLeases(2);
  assert.equal(
    dnsmasqLeases(leases, 7200),
    "7200 50:50:00:00:00:00 10.65.0.1 * *\n7200 50:50:00:00:00:01 10.65.0.2 * *\n",
  );
  assert.match(
    iscLeases(leases, 7200),
    /^lease 10\.65\.0\.2 \{ starts epoch 3600; ends epoch 7200; .*00:01; \}$/m,
  );
});

test("perfdhcp is the relay agent of the same clients", () => {
  const words = perfdhcpWords({ rate: 5000.4, clients: 60_000, firstMac: 0x50_50_00_00_00_00, seconds: 2 });
  const line = "-4 -l 10.64.0.2 -g single -r 5000 -p 2 -R 60000 -b mac=50:50:00:00:00:00 10.64.0.1";
  assert.equal(words.join(" "), line);
});

test("of perfdhcp's words the rate and the answered share are read, and nothing is made up", () => {
  const said = `***Rate statistics***
Rate: 4930.69 4-way exchanges/second, expected rate: 5000

***Statistics for: DISCOVER-OFFER***
sent packets: 10000
received packets: 9981
drops: 14

***Statistics for: REQUEST-ACK***
sent packets: 9981
received packets: 9850
drops: 114
`;
  assert.deepEqual(readPerfdhcp(said), { rate: 4930.69, answeredPercent: 98.5 });
  assert.throws(() => readPerfdhcp("Failed to open socket"), /Failed to open socket/);
  assert.throws(() => readPerfdhcp(said.replaceAll("sent packets", "sent")), /says nothing/);
});
