import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ipv4FromNumber, ipv4ToNumber, parseIpv4 } from "../../server/lib/ipv4.ts";
import { firstNodeMac, firstPoolMac, prepareHead } from "./head.ts";
import { ours } from "./report.ts";
import type { Rivals } from "./rivals.ts";
import { network, type RunningServer, type Workplace } from "./workplace.ts";

/** A DHCP server that can be started again and again. */
export type DhcpServer = {
  name: string;
  /** With these leases, or none. */
  start: (leases?: readonly Holder[]) => Promise<RunningServer>;
  /** It takes minutes to give out ten thousand leases: it is given them in its file. */
  slowToFill: boolean;
};

/** A machine and the address it has. */
export type Holder = { mac: string; ip: string };

export function reservations(count: number): Holder[] {
  return holders(firstNodeMac, network.firstNode, count);
}

/** Clients of the pool that have been there before. */
export function poolLeases(count: number): Holder[] {
  return holders(firstPoolMac, network.pool.from, count);
}

function holders(firstMac: number, firstIp: string, count: number): Holder[] {
  const first = parseIpv4(firstIp);
  if (first === undefined) throw new Error(`${firstIp} is no address`);
  return Array.from({ length: count }, (_, index) => ({
    mac: ((firstMac + index).toString(16).padStart(12, "0").match(/../g) ?? []).join(":"),
    ip: ipv4FromNumber(ipv4ToNumber(first) + index),
  }));
}

export async function provisionServer(workplace: Workplace, reserved: number): Promise<DhcpServer> {
  const head = await prepareHead(workplace, reserved);
  return { name: ours, slowToFill: false, start: () => head.start() };
}

export async function keaServer(workplace: Workplace, rivals: Rivals, reserved: number): Promise<DhcpServer> {
  const { command } = await rivals.get("kea");
  return {
    name: "Kea",
    slowToFill: false,
    start: async () => {
      const directory = workplace.scratch("kea");
      const config = join(directory, "kea.json");
      writeFileSync(config, keaConfig(join(directory, "leases.csv"), reservations(reserved)));
      // Kea's own directories are below /run and /var/lib, where nothing of ours belongs.
      const variables = ["KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR", "KEA_LOG_FILE_DIR"];
      const environment = ["env", ...variables.map((name) => `${name}=${directory}`)];
      const argv = [...environment, ...command, "-c", config];
      return await untilBound(workplace.serve(argv, { logFile: join(directory, "log") }));
    },
  };
}

/** Kea as fast as it goes; each setting that is not its default has its reason. */
export function keaConfig(leaseFile: string, reserved: readonly Holder[]): string {
  const config = {
    Dhcp4: {
      // UDP sockets: everything comes through a relay, and there is no link layer to be taken care of.
      "interfaces-config": { interfaces: [`${network.device}/${network.head}`], "dhcp-socket-type": "udp" },
      // The file is written, as it is by default, and never synced; cleaning it up would run into the measurement.
      "lease-database": { type: "memfile", persist: true, name: leaseFile, "lfc-interval": 0 },
      "valid-lifetime": 3600,
      // Measured: on one core threads cost Kea more than they give.
      "multi-threading": { "enable-multi-threading": false },
      // No samples of statistics are kept (20 by default).
      "statistic-default-sample-count": 0,
      // What reservations are looked up by: hw-address alone, in place of five kinds of identifier.
      "host-reservation-identifiers": ["hw-address"],
      // Reservations lie outside of the pool: no look-up by address for each dynamic lease.
      "reservations-in-subnet": reserved.length > 0,
      "reservations-out-of-pool": reserved.length > 0,
      subnet4: [
        {
          id: 1,
          subnet: network.subnet,
          pools: [{ pool: `${network.pool.from} - ${network.pool.to}` }],
          "option-data": [{ name: "routers", data: network.head }],
          reservations: reserved.map(({ mac, ip }) => ({ "hw-address": mac, "ip-address": ip })),
        },
      ],
      loggers: [{ name: "kea-dhcp4", severity: "ERROR", output_options: [{ output: "stderr" }] }],
    },
  };
  return JSON.stringify(config, undefined, 1);
}

export async function iscServer(workplace: Workplace, rivals: Rivals, reserved: number): Promise<DhcpServer> {
  const { command } = await rivals.get("dhcpd");
  return {
    name: "ISC dhcpd",
    slowToFill: reserved === 0,
    start: async (holding = []) => {
      const directory = workplace.scratch("dhcpd");
      const [config, leases] = [join(directory, "dhcpd.conf"), join(directory, "leases")];
      writeFileSync(config, iscConfig(reservations(reserved)));
      writeFileSync(leases, iscLeases(holding, endOf(Date.now())));
      const files = ["-cf", config, "-lf", leases, "--no-pid"];
      const argv = [...withoutSyslog, ...command, "-4", "-f", "-q", ...files, network.device];
      return await untilBound(workplace.serve(argv, { logFile: join(directory, "log") }));
    },
  };
}

export function iscConfig(reserved: readonly Holder[]): string {
  const { subnet, netmask, pool, head } = network;
  const hosts = reserved.map(
    ({ mac, ip }, index) => `host n${index} { hardware ethernet ${mac}; fixed-address ${ip}; }`,
  );
  return `authoritative;
ddns-update-style none;
default-lease-time 3600;
max-lease-time 3600;
# A ping before every offer would make it wait a second.
ping-check false;
subnet ${subnet.split("/")[0]} netmask ${netmask} {
  range ${pool.from} ${pool.to};
  option routers ${head};
}
${hosts.join("\n")}
`;
}

export async function dnsmasqServer(
  workplace: Workplace,
  rivals: Rivals,
  reserved: number,
): Promise<DhcpServer> {
  const { command } = await rivals.get("dnsmasq");
  return {
    name: "dnsmasq",
    slowToFill: reserved === 0,
    start: async (holding = []) => {
      const directory = workplace.scratch("dnsmasq");
      const hosts = join(directory, "hosts");
      writeFileSync(join(directory, "leases"), dnsmasqLeases(holding, endOf(Date.now())));
      writeFileSync(
        hosts,
        reservations(reserved)
          .map(({ mac, ip }) => `${mac},${ip}\n`)
          .join(""),
      );
      const argv = [...command, ...dnsmasqOptions(directory), `--dhcp-hostsfile=${hosts}`];
      return await untilBound(workplace.serve(argv, { logFile: join(directory, "log") }));
    },
  };
}

export function dnsmasqOptions(directory: string): string[] {
  const { pool, netmask, device } = network;
  return [
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--user=root",
    "--port=0", // no DNS
    `--interface=${device}`,
    "--bind-interfaces",
    `--dhcp-range=${pool.from},${pool.to},${netmask},1h`,
    `--dhcp-leasefile=${join(directory, "leases")}`,
    "--dhcp-authoritative",
    "--no-ping", // else it waits three seconds before each offer to a new client
    "--dhcp-lease-max=100000", // 1,000 by default
    "--log-facility=/dev/null",
    "--quiet-dhcp",
  ];
}

/** In an hour, in seconds. */
function endOf(nowMs: number): number {
  return Math.floor(nowMs / 1000) + 3600;
}

/** As in dhcpd.leases(5). */
export function iscLeases(leases: readonly Holder[], end: number): string {
  const each = ({ mac, ip }: Holder): string =>
    `lease ${ip} { starts epoch ${end - 3600}; ends epoch ${end}; binding state active; hardware ethernet ${mac}; }\n`;
  return leases.map(each).join("");
}

/** Expiry, MAC address, IPv4 address, name and client identifier. */
export function dnsmasqLeases(leases: readonly Holder[], end: number): string {
  return leases.map(({ mac, ip }) => `${end} ${mac} ${ip} * *\n`).join("");
}

/** dhcpd tells syslog of every packet and cannot be told not to; without anybody listening there it is faster. */
const withoutSyslog = [
  "sh",
  "-c",
  '[ ! -d /run/systemd/journal ] || mount -t tmpfs none /run/systemd/journal; exec "$@"',
  "sh",
];

async function untilBound(server: RunningServer): Promise<RunningServer> {
  await server.bound("udp", 67);
  return server;
}
