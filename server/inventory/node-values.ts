import { AppError, type Fault } from "../lib/errors.ts";
import {
  type Ipv4,
  formatIpv4Range,
  ipv4FromNumber,
  ipv4ToNumber,
  parseIpv4,
  type Subnet,
} from "../lib/ipv4.ts";
import { type Mac, nextMac, parseMac } from "../lib/mac.ts";
import { type Network, networkOf, onWireOf, poolOf, subnetsText } from "../model/network.ts";

/** What a node's settings must fit. */
export type Site = { networks: readonly SiteNetwork[]; address: Ipv4; dhcp: { mode: "server" | "proxy" } };

type SiteNetwork = Pick<Network, "subnet" | "wire" | "pools" | "router">;

/** Collects faults while a request is read, so that all are reported together. */
export class Faults {
  readonly list: Fault[] = [];
  readonly #seen = new Set<string>();

  add(place: string, message: string): void {
    const key = `${place}\n${message}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push({ place, message });
  }

  /** @throws AppError("invalid") when there are any. */
  check(message: string): void {
    if (this.list.length > 0) throw new AppError("invalid", message, { faults: this.list });
  }
}

/**
 * One value for each of `names` from a flag: `X` for a single node, `X+` counting up node by node, or as many values
 * as nodes with commas between. Undefined after a fault.
 */
export function spread<T>(
  place: string,
  text: string,
  names: readonly string[],
  faults: Faults,
  reader: {
    parse: (text: string) => T | undefined;
    /** Absent: the value does not count up. */
    next?: (value: T, step: number) => T | undefined;
    expected: string;
  },
): T[] | undefined {
  const { next } = reader;
  const counting = next !== undefined && text.endsWith("+");
  const items = (counting ? text.slice(0, -1) : text).split(",").map((item) => item.trim());
  const values = items.map((item) => {
    const value = reader.parse(item);
    if (value === undefined) faults.add(place, `${JSON.stringify(item)} is not ${reader.expected}`);
    return value;
  });
  const known = values.filter((value) => value !== undefined);
  const first = known[0];
  if (first === undefined || known.length < values.length) return undefined;
  if (counting && known.length === 1) {
    const counted = names.map((_, step) => next(first, step));
    const whole = counted.filter((value) => value !== undefined);
    if (whole.length === names.length) return whole;
    faults.add(place, `${text} runs past the end of the range before the last of ${names.length} nodes`);
    return undefined;
  }
  if (known.length === names.length && !counting) return known;
  faults.add(
    place,
    names.length > 1 && known.length === 1 && !counting
      ? `one value for ${names.length} nodes; write ${next === undefined ? "one for each with commas" : `${text}+ to count up`}`
      : `${known.length} values for ${names.length} node${names.length === 1 ? "" : "s"}`,
  );
  return undefined;
}

export function spreadMacs(
  place: string,
  text: string,
  names: readonly string[],
  faults: Faults,
): Mac[] | undefined {
  return spread(place, text, names, faults, {
    parse: parseMac,
    next: nextMac,
    expected: "a MAC address such as 52:54:00:12:34:56",
  });
}

export function spreadIps(
  place: string,
  text: string,
  names: readonly string[],
  faults: Faults,
): Ipv4[] | undefined {
  const next = (ip: Ipv4, step: number): Ipv4 | undefined => {
    const value = ipv4ToNumber(ip) + step;
    return value < 2 ** 32 ? ipv4FromNumber(value) : undefined;
  };
  return spread(place, text, names, faults, {
    parse: parseIpv4,
    next,
    expected: "an IPv4 address such as 10.0.1.1",
  });
}

/** Faults of addresses that no node may have here. */
export function checkIps(place: string, ips: readonly Ipv4[], site: Site, faults: Faults): void {
  for (const ip of ips) {
    const network = networkOf(ip, site.networks);
    const pool = network === undefined ? undefined : poolOf(ip, network);
    if (network === undefined) faults.add(place, `${ip} is no host address of ${subnetsText(site.networks)}`);
    else if (pool !== undefined)
      faults.add(place, `${ip} lies in the pool ${formatIpv4Range(pool)} of unknown machines`);
    else if (ip === site.address) faults.add(place, `${ip} is the head's own address`);
    else if (ip === network.router) faults.add(place, `${ip} is the router's address`);
  }
}

/**
 * An address for each node that is nobody's and of no pool: the lowest of the wire where its machine was seen with the
 * address in `near`, else of the head's own wire.
 */
export function freeIps(
  near: readonly (Ipv4 | undefined)[],
  { networks, address }: Site,
  taken: (ip: Ipv4) => boolean,
  faults: Faults,
): Ipv4[] {
  const mayHave = (ip: Ipv4, { router, pools }: SiteNetwork): boolean =>
    !taken(ip) && ip !== address && ip !== router && poolOf(ip, { pools }) === undefined;
  const free = new Map(
    networks.map((network) => [network, hostsOf(network.subnet).filter((ip) => mayHave(ip, network))]),
  );
  const wanted = near.map(
    (seen) => (seen === undefined ? undefined : networkOf(seen, networks)) ?? networks[0],
  );
  const chosen = wanted.map((network) => {
    if (network === undefined) return undefined;
    for (const each of onWireOf(network, networks)) {
      const next = free.get(each)?.next();
      if (next?.done === false) return next.value;
    }
    return undefined;
  });
  for (const network of new Set(wanted.filter((_, index) => chosen[index] === undefined))) {
    if (network === undefined) continue;
    const needed = wanted.filter((each) => each === network).length;
    const had = wanted.filter((each, index) => each === network && chosen[index] !== undefined).length;
    const wire = subnetsText(onWireOf(network, networks));
    faults.add("--ip", `${wire} has ${had} free addresses outside the pool, ${needed} are needed`);
  }
  return chosen.filter((ip) => ip !== undefined);
}

/** In order, without the network's and the broadcast address. */
function* hostsOf({ base, bits }: Subnet): Generator<Ipv4> {
  const first = ipv4ToNumber(base);
  for (let offset = 1; offset < 2 ** (32 - bits) - 1; offset += 1) yield ipv4FromNumber(first + offset);
}

/** One word each of a kernel command line; what would break a boot script is refused. */
export function checkKernelArguments(values: readonly string[], faults: Faults): void {
  for (const value of values) {
    if (!/^[!-~]+$/.test(value))
      faults.add("--kernel-argument", `${JSON.stringify(value)} is not one word of printable ASCII`);
    else if (value.includes("${")) faults.add("--kernel-argument", `${value}: iPXE would expand \${…}`);
  }
}
