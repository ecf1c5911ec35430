import { z } from "zod";
import { parseIpv4, parseIpv4Range, parseSubnet } from "../lib/ipv4.ts";
import { isLinkLocal, parseIpv6 } from "../lib/ipv6.ts";
import { readOptionValue } from "../dhcp/option-text.ts";
import type { DhcpOption } from "../model/node.ts";
import { loaderKinds } from "../model/arch.ts";
import type { Config } from "./config.ts";
import type { Issue } from "./issue.ts";
import { networkClashes, type NetworkFields, networksOf } from "./networks.ts";

/** A zod type that reads text by one of our parsers. */
function parsed<T>(parse: (text: string) => T | undefined, expected: string) {
  return z.string({ error: `expected ${expected}` }).transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: "custom", message: `${JSON.stringify(text)} is not ${expected}` });
    return z.NEVER;
  });
}

const ipv4 = parsed(parseIpv4, "an IPv4 address such as 10.0.1.1");
const ipv6 = parsed(parseIpv6, "an IPv6 address such as fd77::1");
const absolutePath = z
  .string()
  .regex(/^\/[^\0]*$/, "expected an absolute path")
  .transform((path) => (path.length > 1 ? path.replace(/\/+$/, "") : path));
const port = z
  .int("expected a port number")
  .min(1, "a port is 1 to 65535")
  .max(65_535, "a port is 1 to 65535");
const domainName = z
  .string()
  .regex(
    /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/,
    "expected a domain name in lower case such as cluster.lan",
  );
/** One word of a kernel command line: white space and control characters would make it two, or break a boot script. */
const kernelArgument = z.string().regex(/^[!-~]+$/, "a kernel argument is one word of printable ASCII");
const publicKey = z
  .string()
  .regex(
    /^(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}(?: [^\n\r]*)?$/,
    "expected an OpenSSH public key on one line",
  );

const subnet = parsed(parseSubnet, "a subnet such as 10.0.1.0/24");
const poolText = "a range of addresses such as 10.0.1.200-10.0.1.250";
const pool = z
  .union([z.string(), z.array(z.string())], { error: `expected ${poolText}, or a list of them` })
  .transform((value, context) =>
    [value].flat().flatMap((text, index) => {
      const range = parseIpv4Range(text);
      if (range !== undefined) return [range];
      const path = typeof value === "string" ? [] : [index];
      context.addIssue({ code: "custom", path, message: `${JSON.stringify(text)} is not ${poolText}` });
      return [];
    }),
  );
const leaseSeconds = z.int().min(60, "at least 60 s").max(31_536_000, "at most a year");

const optionItem = z.union([z.string(), z.number(), z.boolean()]);
/** Options by name or number; a list as YAML has it is the same as one with commas. */
const dhcpOptions = z
  .record(z.string(), z.union([optionItem, z.array(optionItem)]), {
    error: "expected options such as ntp-servers: 10.0.1.1",
  })
  .transform((given, context) =>
    Object.entries(given).flatMap(([name, value]): DhcpOption[] => {
      const read = readOptionValue(name, [value].flat().map(String).join(","));
      if ("option" in read) return [read.option];
      context.addIssue({ code: "custom", path: [name], message: read.fault });
      return [];
    }),
  );

const furtherNetwork = z.strictObject({
  subnet,
  wire: z
    .string()
    .regex(/^[^\s/]{1,63}$/, "expected a name without spaces")
    .exactOptional(),
  pool: pool.exactOptional(),
  router: ipv4.exactOptional(),
  dns: z.array(ipv4).exactOptional(),
  domain: domainName.exactOptional(),
  leaseSeconds: leaseSeconds.exactOptional(),
  options: dhcpOptions.exactOptional(),
});

const fields = z.strictObject({
  interface: z.string().regex(/^[^\s/:]{1,15}$/, "expected a network interface such as eth0"),
  address: ipv4,
  subnet,
  dhcp: z
    .strictObject({
      mode: z.enum(["server", "proxy"]).default("server"),
      probe: z.enum(["auto", "off"]).default("auto"),
      broadcast: z.enum(["asked", "always"]).default("asked"),
    })
    .prefault({}),
  pool: pool.exactOptional(),
  leaseSeconds: leaseSeconds.default(3600),
  domain: domainName.default("cluster.lan"),
  router: ipv4.exactOptional(),
  dns: z.array(ipv4).default([]),
  networks: z.array(furtherNetwork).default([]),
  options: dhcpOptions.default([]),
  authoritative: z.boolean().default(true),
  ipv6: z
    .strictObject({
      address: ipv6.refine(
        (ip) => !isLinkLocal(ip),
        "a link-local address is of no network: take one such as fd77::1",
      ),
      dns: z.array(ipv6).default([]),
    })
    .exactOptional(),
  unknownMachines: z.enum(["wait", "address", "ignore"]).default("wait"),
  image: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*(?:@[a-z0-9-]+)?$/, "expected an image such as debian-13")
    .default("debian-13"),
  imageStore: absolutePath.default("/var/lib/provision/images"),
  stateDirectory: absolutePath.default("/var/lib/provision"),
  socket: absolutePath.default("/run/provision/api.sock"),
  sharedDirectory: absolutePath.default("/srv/provision/shared"),
  loader: z.enum(loaderKinds).default("ipxe"),
  loaderDirectory: absolutePath.default("/usr/lib/ipxe"),
  raspberryPiDirectory: absolutePath.exactOptional(),
  authorizedKeys: z.array(publicKey).default([]),
  kernelArguments: z.array(kernelArgument).default([]),
  boot: z
    .strictObject({
      concurrent: z
        .int("expected a number of machines")
        .min(1, "at least 1")
        .max(100_000, "at most 100000")
        .default(64),
      cacheMebibytes: z.int("expected MiB").min(0, "at least 0").max(1_048_576, "at most 1 TiB").default(256),
    })
    .prefault({}),
  nfs: z
    .strictObject({ backend: z.enum(["auto", "ganesha", "kernel", "none"]).default("auto") })
    .prefault({}),
  tftp: z
    .strictObject({ singlePort: z.boolean({ error: "expected true or false" }).default(false) })
    .prefault({}),
  ports: z
    .strictObject({
      dhcp: port.default(67),
      bootServer: port.default(4011),
      tftp: port.default(69),
      http: port.default(8080),
      nfs: port.default(2049),
    })
    .prefault({}),
});

type Fields = z.output<typeof fields>;

/** As much of a configuration as is right by itself. */
type Sound = Partial<Omit<Fields, "networks"> & Pick<NetworkFields, "networks">>;

/** What holds between fields; each is reported at the field that a person would change. */
function* clashes(config: Sound): Generator<Issue> {
  yield* networkClashes(config);
  for (const key of ["imageStore", "stateDirectory"] as const) {
    if (`${config[key]}/`.startsWith(`${config.sharedDirectory}/`)) {
      yield {
        path: [key],
        message: `lies in the shared directory ${config.sharedDirectory}, where nodes could write to it`,
      };
    }
  }
  const ports = config.ports;
  if (ports !== undefined && ports.http === ports.nfs)
    yield { path: ["ports", "http"], message: "is the NFS server's port too" };
  if (ports !== undefined && ports.dhcp === ports.tftp)
    yield { path: ["ports", "tftp"], message: "is the DHCP server's port too" };
  if (ports !== undefined && (ports.bootServer === ports.tftp || ports.bootServer === ports.dhcp))
    yield { path: ["ports", "bootServer"], message: "is the DHCP or the TFTP server's port too" };
}

/** A head that gives out addresses needs some for strangers; one that gives out none has no use for them. */
function* modeClashes({ dhcp, ipv6 }: Sound, hasPool: boolean): Generator<Issue> {
  if (dhcp?.mode === "proxy" && ipv6 !== undefined) {
    yield {
      path: ["ipv6"],
      message: "gives out addresses, which dhcp.mode proxy leaves to another server. Take it out",
    };
  }
  if (dhcp?.mode === "server" && !hasPool) yield { path: ["pool"], message: "is missing" };
  if (dhcp?.mode === "proxy" && hasPool) {
    yield {
      path: ["pool"],
      message: "has no use with dhcp.mode proxy: another server gives out the addresses. Take it out",
    };
  }
}

/** Checks everything, and goes on after a fault: a value that is wrong by itself does not hide a clash of two others. */
export function checkConfig(input: unknown): { value: Omit<Config, "file"> } | { issues: readonly Issue[] } {
  const result = fields.safeParse(input);
  const issues = result.success ? [] : result.error.issues.flatMap((issue) => issuesOf(issue, input));
  const sound = result.success ? result.data : soundFields(input);
  issues.push(...clashes(sound), ...modeClashes(sound, Object.hasOwn(Object(input), "pool")));
  if (issues.length > 0 || !result.success) return { issues };
  const { pool: _pool, router: _router, dns: _dns, leaseSeconds: _seconds, ...rest } = result.data;
  return { value: { ...rest, networks: networksOf(result.data) } };
}

function issuesOf(issue: z.core.$ZodIssue, input: unknown): Issue[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...path, key], message: "there is no such setting" }));
  }
  const absent =
    (issue.code === "invalid_type" || issue.code === "invalid_union") &&
    !Object.hasOwn(Object(within(input, path.slice(0, -1))), path.at(-1) ?? "");
  return [{ path, message: absent ? "is missing" : issue.message }];
}

function within(input: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (Object(value) as Record<string, unknown>)[key], input);
}

/** The fields of a faulty configuration that are right by themselves; of each network too. */
function soundFields(input: unknown): Sound {
  const given: unknown = (Object(input) as { networks?: unknown }).networks;
  const networks = Array.isArray(given) ? given.map((each) => soundOf(furtherNetwork.shape, each)) : [];
  return { ...soundOf(fields.shape, input), networks };
}

function soundOf<Shape extends z.ZodRawShape>(
  shape: Shape,
  input: unknown,
): Partial<z.output<z.ZodObject<Shape>>> {
  const entries = Object.entries(shape).flatMap(([key, type]) => {
    const result = z.safeParse(type, (Object(input) as Record<string, unknown>)[key]);
    return result.success && result.data !== undefined ? [[key, result.data]] : [];
  });
  return Object.fromEntries(entries) as Partial<z.output<z.ZodObject<Shape>>>;
}
