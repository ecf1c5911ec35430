/** A dotted-quad IPv4 address in canonical form. */
export type Ipv4 = string & { readonly __brand: "Ipv4" };

/** A network: `base` is its lowest address, `bits` the prefix length. */
export type Subnet = { base: Ipv4; bits: number };

/** Both ends belong to the range. */
export type Ipv4Range = { from: Ipv4; to: Ipv4 };

/** Undefined when the text is no dotted quad (no leading zeros, no shorthand: `10.1` is refused). */
export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
  }
  return text as Ipv4;
}

/** Tells an address apart from an IPv6 one. */
export function isIpv4(ip: string | undefined): ip is Ipv4 {
  return ip !== undefined && !ip.includes(":");
}

/** The address as an unsigned 32-bit number, for arithmetic and comparison. In a plain loop: this runs for each packet. */
export function ipv4ToNumber(ip: Ipv4): number {
  let value = 0;
  let part = 0;
  for (let at = 0; at < ip.length; at += 1) {
    const code = ip.charCodeAt(at);
    if (code === dot) {
      value = value * 256 + part;
      part = 0;
    } else {
      part = part * 10 + code - zero;
    }
  }
  return value * 256 + part;
}

const dot = 46;
const zero = 48;

/**
 * Texts of late: each address of a rack comes again and again, and a text that was a key before is found again without
 * being hashed. 0.5 MiB, and as much again for their places.
 */
const textSlots = 65_536;
const textNumbers = new Float64Array(textSlots).fill(-1);
const texts: Ipv4[] = [];

export function ipv4FromNumber(value: number): Ipv4 {
  const slot = value & (textSlots - 1);
  const known = texts[slot];
  if (known !== undefined && textNumbers[slot] === value) return known;
  const text = formatNumber(value);
  textNumbers[slot] = value;
  texts[slot] = text;
  return text;
}

function formatNumber(value: number): Ipv4 {
  return `${(value >>> 24) & 255}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Ipv4;
}

/** Reads `10.0.1.0/24`; undefined unless it is a network address with a prefix of 1 to 30 bits. */
export function parseSubnet(text: string): Subnet | undefined {
  const [address, bitsText, ...rest] = text.split("/");
  if (address === undefined || bitsText === undefined || rest.length > 0 || !/^\d{1,2}$/.test(bitsText))
    return undefined;
  const base = parseIpv4(address);
  const bits = Number(bitsText);
  if (base === undefined || bits < 1 || bits > 30) return undefined;
  return ipv4ToNumber(base) % 2 ** (32 - bits) === 0 ? { base, bits } : undefined;
}

export function formatSubnet(subnet: Subnet): string {
  return `${subnet.base}/${subnet.bits}`;
}

export function netmaskOf(subnet: Subnet): Ipv4 {
  return ipv4FromNumber(2 ** 32 - 2 ** (32 - subnet.bits));
}

export function broadcastOf(subnet: Subnet): Ipv4 {
  return ipv4FromNumber(ipv4ToNumber(subnet.base) + 2 ** (32 - subnet.bits) - 1);
}

export function subnetContains(subnet: Subnet, ip: Ipv4): boolean {
  const offset = ipv4ToNumber(ip) - ipv4ToNumber(subnet.base);
  return offset >= 0 && offset < 2 ** (32 - subnet.bits);
}

/** True for an address a machine may have: inside, and neither the network's nor the broadcast address. */
export function isHostOf(subnet: Subnet, ip: Ipv4): boolean {
  const offset = ipv4ToNumber(ip) - ipv4ToNumber(subnet.base);
  return offset > 0 && offset < 2 ** (32 - subnet.bits) - 1;
}

/** Reads `10.0.1.200-10.0.1.250`; undefined when an end is no address or the ends are the wrong way round. */
export function parseIpv4Range(text: string): Ipv4Range | undefined {
  const [fromText, toText, ...rest] = text.split("-");
  if (fromText === undefined || toText === undefined || rest.length > 0) return undefined;
  const from = parseIpv4(fromText.trim());
  const to = parseIpv4(toText.trim());
  if (from === undefined || to === undefined || ipv4ToNumber(from) > ipv4ToNumber(to)) return undefined;
  return { from, to };
}

export function rangeContains(range: Ipv4Range, ip: Ipv4): boolean {
  const value = ipv4ToNumber(ip);
  return value >= ipv4ToNumber(range.from) && value <= ipv4ToNumber(range.to);
}

export function formatIpv4Range(range: Ipv4Range): string {
  return `${range.from}-${range.to}`;
}
