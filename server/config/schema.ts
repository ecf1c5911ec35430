import { z } from "zod";
import {
  formatSubnet,
  type Ipv4,
  isHostOf,
  parseIpv4,
  parseIpv4Range,
  parseSubnet,
  subnetContains,
  rangeContains,
} from "../lib/ipv4.ts";
import type { Config } from "./config.ts";

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

const fields = z.strictObject({
  interface: z.string().regex(/^[^\s/:]{1,15}$/, "expected a network interface such as eth0"),
  address: ipv4,
  subnet: parsed(parseSubnet, "a subnet such as 10.0.1.0/24"),
  dhcp: z.strictObject({ mode: z.enum(["server", "proxy"]).default("server") }).prefault({}),
  pool: parsed(parseIpv4Range, "a range of addresses such as 10.0.1.200-10.0.1.250").optional(),
  leaseSeconds: z.int().min(60, "at least 60 s").max(31_536_000, "at most a year").default(3600),
  domain: domainName.default("cluster.lan"),
  router: ipv4.optional(),
  dns: z.array(ipv4).default([]),
  unknownMachines: z.enum(["wait", "address", "ignore"]).default("wait"),
  image: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*(?:@[a-z0-9-]+)?$/, "expected an image such as debian-13")
    .default("debian-13"),
  imageStore: absolutePath.default("/var/lib/provision/images"),
  stateDirectory: absolutePath.default("/var/lib/provision"),
  socket: absolutePath.default("/run/provision/api.sock"),
  sharedDirectory: absolutePath.default("/srv/provision/shared"),
  loaderDirectory: absolutePath.default("/usr/lib/ipxe"),
  raspberryPiDirectory: absolutePath.optional(),
  authorizedKeys: z.array(publicKey).default([]),
  kernelArguments: z.array(kernelArgument).default([]),
  nfs: z.strictObject({ backend: z.enum(["auto", "ganesha", "kernel"]).default("auto") }).prefault({}),
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

/** A fault at a key path. */
export type Issue = { path: readonly string[]; message: string };

/** What holds between fields; each is reported at the field that a person would change. */
function* clashes(config: Partial<Fields>): Generator<Issue> {
  const { subnet, pool, address, router } = config;
  if (subnet !== undefined) {
    for (const [key, ip] of [
      ["address", address],
      ["pool", pool?.from],
      ["pool", pool?.to],
      ["router", router],
    ] as const) {
      if (ip === undefined || isHostOf(subnet, ip)) continue;
      const relation = subnetContains(subnet, ip) ? "no host address of" : "outside";
      yield { path: [key], message: `${ip} is ${relation} ${formatSubnet(subnet)}` };
    }
  }
  const holds = (ip: Ipv4 | undefined): boolean =>
    pool !== undefined && ip !== undefined && rangeContains(pool, ip);
  if (holds(address))
    yield { path: ["pool"], message: `the pool contains the head's own address ${address}` };
  if (holds(router)) yield { path: ["pool"], message: `the pool contains the router ${router}` };
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
function* modeClashes({ dhcp }: Partial<Fields>, hasPool: boolean): Generator<Issue> {
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
  const { pool, router, raspberryPiDirectory, ...rest } = result.data;
  return {
    value: {
      ...rest,
      ...(pool === undefined ? {} : { pool }),
      ...(router === undefined ? {} : { router }),
      ...(raspberryPiDirectory === undefined ? {} : { raspberryPiDirectory }),
    },
  };
}

function issuesOf(issue: z.core.$ZodIssue, input: unknown): Issue[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...path, key], message: "there is no such setting" }));
  }
  const absent =
    issue.code === "invalid_type" && path.length === 1 && !Object.hasOwn(Object(input), path[0] ?? "");
  return [{ path, message: absent ? "is missing" : issue.message }];
}

/** The fields of a faulty configuration that are right by themselves. */
function soundFields(input: unknown): Partial<Fields> {
  const entries = Object.entries(fields.shape).flatMap(([key, type]) => {
    const result = type.safeParse((Object(input) as Record<string, unknown>)[key]);
    return result.success ? [[key, result.data]] : [];
  });
  return Object.fromEntries(entries) as Partial<Fields>;
}
