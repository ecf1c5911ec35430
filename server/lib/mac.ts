/** An EUI-48 hardware address in its one canonical form: lower case, colons (`52:54:00:12:34:56`). */
export type Mac = string & { readonly __brand: "Mac" };

const canonical = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;

/**
 * Reads a MAC address as people and firmware write it: `52:54:00:12:34:56`, `52-54-00-12-34-56`,
 * `5254.0012.3456`, `525400123456`, in either case. Undefined when it is none, and for the two addresses that
 * can belong to no single port: all zeros and group addresses (IEEE 802, I/G bit).
 */
export function parseMac(text: string): Mac | undefined {
  const lower = text.toLowerCase();
  // As our own URLs and most firmware write it: nothing has to be taken apart.
  const written = lower.includes(":") ? lower : lower.replaceAll("-", ":");
  const mac = canonical.test(written) ? written : canonicalForm(lower);
  if (mac === undefined || mac === "00:00:00:00:00:00") return undefined;
  return Number.parseInt(mac.slice(0, 2), 16) & 1 ? undefined : (mac as Mac);
}

function canonicalForm(lower: string): string | undefined {
  if (
    !/^(?:[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})$/.test(lower)
  ) {
    return undefined;
  }
  return (lower.replaceAll(/[^0-9a-f]/g, "").match(/../g) ?? []).join(":");
}

/** Both hexadecimal digits of each byte. */
const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** MACs of late, by their last two bytes: as `ipv4FromNumber` keeps its texts. */
const slots = 65_536;
const slotHigh = new Uint32Array(slots);
const slotLow = new Uint32Array(slots);
const slotTexts: Mac[] = [];

/** The MAC in the first six bytes of a packet's field; undefined where `parseMac` finds none in them. */
export function macFromBytes(bytes: Uint8Array): Mac | undefined {
  const high = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const low =
    (((bytes[2] ?? 0) << 24) | ((bytes[3] ?? 0) << 16) | ((bytes[4] ?? 0) << 8) | (bytes[5] ?? 0)) >>> 0;
  const isGroup = (high & 0x100) !== 0;
  if (isGroup || (high === 0 && low === 0)) return undefined;
  const slot = low & (slots - 1);
  const known = slotTexts[slot];
  if (known !== undefined && slotLow[slot] === low && slotHigh[slot] === high) return known;
  const text = macText(bytes);
  slotHigh[slot] = high;
  slotLow[slot] = low;
  slotTexts[slot] = text;
  return text;
}

function macText(bytes: Uint8Array): Mac {
  let text = hexPairs[bytes[0] ?? 0] ?? "";
  for (let at = 1; at < 6; at += 1) text += `:${hexPairs[bytes[at] ?? 0]}`;
  return text as Mac;
}

export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(":"), (pair) => Number.parseInt(pair, 16));
}

/** The MAC `step` places on, as ports of one batch are numbered; undefined past the end of the vendor's range. */
export function nextMac(mac: Mac, step: number): Mac | undefined {
  const value = BigInt(`0x${mac.replaceAll(":", "")}`) + BigInt(step);
  return value > 0xffffffffffffn ? undefined : parseMac(value.toString(16).padStart(12, "0"));
}

/** As iPXE's `${net0/mac:hexhyp}` and PXELINUX's file names have it: hyphens. */
export function hyphenated(mac: Mac): string {
  return mac.replaceAll(":", "-");
}
