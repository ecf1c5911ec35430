import { DecodeError } from "../lib/errors.ts";
import { domainNames } from "./domain-names.ts";
import * as values from "./option-values.ts";

/** One DHCP option: what it is called, how its value is laid out, where that is written. */
export type OptionRow<T> = {
  code: number;
  name: string;
  value: values.ValueCodec<T>;
  /** RFC and section. */
  rfc: string;
};

function row<T>(code: number, name: string, value: values.ValueCodec<T>, rfc: string): OptionRow<T> {
  return { code, name, value, rfc };
}

/**
 * Every option known by name. The order is the order on the wire: the message type first, as old ROMs expect, then what
 * a client cannot do without, then the rest. Where a reply must be cut to the client's limit, the last ones go.
 */
export const option = {
  messageType: row(53, "message-type", values.messageType, "2132 9.6"),
  serverId: row(54, "server-identifier", values.ipv4, "2132 9.7"),
  leaseSeconds: row(51, "lease-time", values.u32, "2132 9.2"),
  renewSeconds: row(58, "renewal-time", values.u32, "2132 9.11"),
  rebindSeconds: row(59, "rebinding-time", values.u32, "2132 9.12"),
  requestedIp: row(50, "requested-address", values.ipv4, "2132 9.1"),
  message: row(56, "message", values.text, "2132 9.9"),
  maxMessageBytes: row(57, "max-message-size", values.u16, "2132 9.10"),
  clientId: row(61, "client-identifier", values.clientIdentifier, "2132 9.14"),
  subnetMask: row(1, "subnet-mask", values.ipv4, "2132 3.3"),
  vendorClass: row(60, "vendor-class", values.text, "2132 9.13"),
  vendorOptions: row(43, "vendor-options", values.pxeVendorOptions, "2132 8.4"),
  bootFile: row(67, "boot-file", values.text, "2132 9.5"),
  tftpServer: row(66, "tftp-server", values.text, "2132 9.4"),
  machineUuid: row(97, "machine-uuid", values.machineUuid, "4578 2.3"),
  ipxe: row(175, "ipxe", values.encapsulated, "3942"),
  userClass: row(77, "user-class", values.userClasses, "3004"),
  architectures: row(93, "client-architecture", values.u16List, "4578 2.1"),
  networkInterface: row(94, "client-network-interface", values.networkInterface, "4578 2.2"),
  broadcast: row(28, "broadcast-address", values.ipv4, "2132 5.3"),
  routers: row(3, "routers", values.ipv4List, "2132 3.5"),
  dns: row(6, "domain-name-servers", values.ipv4List, "2132 3.8"),
  hostname: row(12, "host-name", values.text, "2132 3.14"),
  domain: row(15, "domain-name", values.text, "2132 3.17"),
  classlessRoutes: row(121, "classless-routes", values.routes, "3442"),
  parameters: row(55, "parameter-request-list", values.u8List, "2132 9.8"),
  timeOffset: row(2, "time-offset", values.u32, "2132 3.4"),
  timeServers: row(4, "time-servers", values.ipv4List, "2132 3.6"),
  nameServers: row(5, "ien-name-servers", values.ipv4List, "2132 3.7"),
  logServers: row(7, "log-servers", values.ipv4List, "2132 3.9"),
  printServers: row(9, "lpr-servers", values.ipv4List, "2132 3.11"),
  bootFileSize: row(13, "boot-file-size", values.u16, "2132 3.15"),
  swapServer: row(16, "swap-server", values.ipv4, "2132 3.18"),
  rootPath: row(17, "root-path", values.text, "2132 3.19"),
  extensionsPath: row(18, "extensions-path", values.text, "2132 3.20"),
  ipForwarding: row(19, "ip-forwarding", values.flag, "2132 4.1"),
  maxReassembly: row(22, "max-reassembly-size", values.u16, "2132 4.4"),
  defaultTtl: row(23, "default-ttl", values.u8, "2132 4.5"),
  mtu: row(26, "interface-mtu", values.u16, "2132 5.1"),
  staticRoutes: row(33, "static-routes", values.ipv4List, "2132 5.8"),
  nisDomain: row(40, "nis-domain", values.text, "2132 8.1"),
  nisServers: row(41, "nis-servers", values.ipv4List, "2132 8.2"),
  ntpServers: row(42, "ntp-servers", values.ipv4List, "2132 8.3"),
  smtpServers: row(69, "smtp-servers", values.ipv4List, "2132 8.9"),
  rapidCommit: row(80, "rapid-commit", values.raw, "4039 4"),
  clientFqdn: row(81, "client-fqdn", values.raw, "4702 2"),
  posixTimezone: row(100, "posix-timezone", values.text, "4833 2"),
  tzdbTimezone: row(101, "tzdb-timezone", values.text, "4833 2"),
  ipv6OnlyWaitSeconds: row(108, "ipv6-only-wait", values.u32, "8925 3.1"),
  captivePortal: row(114, "captive-portal", values.text, "8910 2.1"),
  autoConfigure: row(116, "auto-configure", values.u8, "2563 2"),
  subnetSelection: row(118, "subnet-selection", values.ipv4, "3011 2"),
  domainSearch: row(119, "domain-search", domainNames, "3397 2"),
  vendorClasses: row(124, "vendor-identifying-class", values.raw, "3925 3"),
  vendorSpecific: row(125, "vendor-identifying-options", values.raw, "3925 4"),
  tftpServerAddresses: row(150, "tftp-server-addresses", values.ipv4List, "5859 3"),
  relayAgent: row(82, "relay-agent", values.encapsulated, "3046 2.0"),
} as const;

const rows: readonly OptionRow<unknown>[] = Object.values(option);
const rowByCode: ReadonlyMap<number, OptionRow<unknown>> = new Map(rows.map((entry) => [entry.code, entry]));
/** By code: the place in the table, unknown ones by number behind it, 82 at the very end. */
const rowByName: ReadonlyMap<string, OptionRow<unknown>> = new Map(rows.map((entry) => [entry.name, entry]));
const orderByCode = Array.from({ length: 256 }, (_, code) => {
  if (code === option.relayAgent.code) return rows.length + 256;
  const place = rows.findIndex((entry) => entry.code === code);
  return place < 0 ? rows.length + code : place;
});

/** The row of a code, if it has one. */
export function rowOf(code: number): OptionRow<unknown> | undefined {
  return rowByCode.get(code);
}

/** The row of a name as listings have it: `ntp-servers`. */
export function rowNamed(name: string): OptionRow<unknown> | undefined {
  return rowByName.get(name);
}

export function optionNames(): readonly string[] {
  return [...rowByName.keys()];
}

/** Where an option stands on the wire; unknown ones by number, after the known ones and before 82. */
export function wireOrder(left: number, right: number): number {
  return (orderByCode[left] ?? 0) - (orderByCode[right] ?? 0);
}

/** The value of an option; undefined when it is absent, DecodeError when it is not what its row says. */
export function readOption<T>(options: ReadonlyMap<number, Uint8Array>, entry: OptionRow<T>): T | undefined {
  const bytes = options.get(entry.code);
  if (bytes === undefined) return undefined;
  try {
    return entry.value.decode(bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new DecodeError(error.code, error.offset, `option ${entry.code} ${entry.name}: ${error.message}`);
  }
}

/** An entry for a packet's option map. */
export function optionOf<T>(entry: OptionRow<T>, value: T): readonly [number, Uint8Array] {
  return [entry.code, entry.value.encode(value)];
}

/** An option for people: its name (`option-224` when it has none) and its value; hexadecimal when it is malformed. */
export function printOption(code: number, bytes: Uint8Array): { name: string; value: string } {
  const entry = rowByCode.get(code);
  if (entry === undefined) return { name: `option-${code}`, value: values.raw.print(bytes) };
  try {
    return { name: entry.name, value: entry.value.print(entry.value.decode(bytes)) };
  } catch {
    return { name: entry.name, value: `malformed: ${values.raw.print(bytes)}` };
  }
}
