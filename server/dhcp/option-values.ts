import { DecodeError } from "../lib/errors.ts";
import { type Ipv4, ipv4FromNumber, ipv4ToNumber, parseIpv4 } from "../lib/ipv4.ts";

/** How the value of an option is laid out. `decode` throws DecodeError, its offset counted in the value. */
export type ValueCodec<T> = {
  decode(bytes: Uint8Array): T;
  encode(value: T): Uint8Array;
  /** For people: listings, the log, `render`. */
  print(value: T): string;
  /** As an administrator writes it; undefined when it is not that. Absent: only the bytes can be written. */
  parse?(text: string): T | undefined;
  /** What `parse` takes: `an IPv4 address`. */
  form?: string;
};

/** One network of option 121 and the router that leads to it (RFC 3442). */
export type Route = { base: Ipv4; bits: number; router: Ipv4 };

export const messageTypeNames = [
  "DISCOVER",
  "OFFER",
  "REQUEST",
  "DECLINE",
  "ACK",
  "NAK",
  "RELEASE",
  "INFORM",
] as const;

/** RFC 2132 section 9.6, as the RFCs name them without `DHCP` before. */
export type MessageType = (typeof messageTypeNames)[number];

export const messageType: ValueCodec<MessageType> = {
  decode: (bytes) => {
    const code = u8.decode(bytes);
    const name = messageTypeNames[code - 1];
    if (name === undefined) throw new DecodeError("unsupported", 0, `message type ${code}`);
    return name;
  },
  encode: (value) => u8.encode(messageTypeNames.indexOf(value) + 1),
  print: (value) => value,
};

export const u8 = integer(1);
export const u16 = integer(2);
export const u32 = integer(4);

export const flag: ValueCodec<boolean> = {
  decode: (bytes) => u8.decode(bytes) !== 0,
  encode: (value) => u8.encode(value ? 1 : 0),
  print: (value) => (value ? "yes" : "no"),
  parse: (given) =>
    /^(?:yes|true|on|1)$/.test(given) ? true : /^(?:no|false|off|0)$/.test(given) ? false : undefined,
  form: "yes or no",
};

export const ipv4: ValueCodec<Ipv4> = {
  decode: (bytes) => ipv4FromNumber(u32.decode(bytes)),
  encode: (value) => u32.encode(ipv4ToNumber(value)),
  print: (value) => value,
  parse: parseIpv4,
  form: "an IPv4 address",
};

export const u8List = list(u8, 1);
export const u16List = list(u16, 2);
export const ipv4List = list(ipv4, 4);

/** Latin-1, so that no byte is lost; NULs at the end are not part of it (RFC 2132 section 2). */
export const text: ValueCodec<string> = {
  decode: (bytes) => Buffer.from(bytes).toString("latin1").replace(/\0+$/, ""),
  encode: (value) => Buffer.from(value, "latin1"),
  print: (value) => JSON.stringify(value),
  parse: (given) => (/^[\x20-\x7e\xa0-\xff]+$/.test(given) ? given : undefined),
  form: "text without control characters",
};

/** No layout known to us: hexadecimal. */
export const raw: ValueCodec<Uint8Array> = {
  decode: (bytes) => bytes,
  encode: (value) => value,
  print: hex,
};

/** Option 61: a type byte and an identifier (RFC 2132 section 9.14). One byte is nonsense but hurts nobody. */
export const clientIdentifier: ValueCodec<Uint8Array> = {
  ...raw,
  decode: (bytes) => {
    if (bytes.length === 0) throw new DecodeError("bad-value", 0, "empty");
    return bytes;
  },
};

/** Option 97: type 0 and 16 bytes (RFC 4578 section 2.3). Printed as SMBIOS has it: the first three fields little-endian. */
export const machineUuid: ValueCodec<Uint8Array> = {
  ...raw,
  decode: (bytes) => {
    if (bytes.length !== 17) throw new DecodeError("bad-value", 0, `${bytes.length} bytes instead of 17`);
    return bytes;
  },
  print: (value) => {
    const order = [4, 3, 2, 1, -1, 6, 5, -1, 8, 7, -1, 9, 10, -1, 11, 12, 13, 14, 15, 16];
    return order.map((at) => (at < 0 ? "-" : hex(value.subarray(at, at + 1)))).join("");
  },
};

/** Option 94: how the firmware drives its card; type 1 is UNDI (RFC 4578 section 2.2). */
export const networkInterface: ValueCodec<{ type: number; major: number; minor: number }> = {
  decode: (bytes) => {
    const [type, major, minor] = bytes;
    if (bytes.length !== 3 || type === undefined || major === undefined || minor === undefined) {
      throw new DecodeError("bad-value", 0, `${bytes.length} bytes instead of 3`);
    }
    return { type, major, minor };
  },
  encode: ({ type, major, minor }) => Uint8Array.of(type, major, minor),
  print: ({ type, major, minor }) => `${type === 1 ? "UNDI" : `type ${type}`} ${major}.${minor}`,
};

/** Options within an option, as in 43, 82 and 175: code, length, value; 0 pads and 255 ends where the writer used them. */
export const encapsulated: ValueCodec<ReadonlyMap<number, Uint8Array>> = {
  decode: (bytes) => {
    const found = new Map<number, Uint8Array>();
    let at = 0;
    while (at < bytes.length) {
      const code = bytes[at] ?? 0;
      at += 1;
      if (code === 0) continue;
      if (code === 255) break;
      const length = bytes[at];
      if (length === undefined || at + 1 + length > bytes.length) {
        throw new DecodeError("truncated", at, `option ${code} within the option is cut off`);
      }
      found.set(code, bytes.subarray(at + 1, at + 1 + length));
      at += 1 + length;
    }
    return found;
  },
  encode: (value) => Uint8Array.from([...value].flatMap(([code, bytes]) => [code, bytes.length, ...bytes])),
  print: (value) => [...value].map(([code, bytes]) => `${code}=${hex(bytes)}`).join(" "),
  parse: (given) => {
    const found = new Map<number, Uint8Array>();
    for (const word of given.split(/[\s,]+/)) {
      const [, code = "", digits = ""] = /^(\d{1,3})=((?:[0-9a-f]{2}){0,255})$/i.exec(word) ?? [];
      if (code === "" || Number(code) < 1 || Number(code) > 254) return undefined;
      found.set(Number(code), Buffer.from(digits, "hex"));
    }
    return found;
  },
  form: "options within the option, as in 6=08 10=0a00",
};

/** Option 43 as PXE has it: with an end inside (PXE 2.1, table 2-1). */
export const pxeVendorOptions: ValueCodec<ReadonlyMap<number, Uint8Array>> = {
  ...encapsulated,
  encode: (value) => Uint8Array.from([...encapsulated.encode(value), 255]),
};

/**
 * Option 77: classes, each with its length before it (RFC 3004 section 4). iPXE and older PXELINUX write the bare text
 * `iPXE`, so what does not add up as a list is taken as one class.
 */
export const userClasses: ValueCodec<readonly string[]> = {
  decode: (bytes) => {
    const classes: string[] = [];
    let at = 0;
    while (at < bytes.length) {
      const length = bytes[at] ?? 0;
      if (length === 0 || at + 1 + length > bytes.length) return [text.decode(bytes)];
      classes.push(text.decode(bytes.subarray(at + 1, at + 1 + length)));
      at += 1 + length;
    }
    // A class of nothing but NULs is none: a class has at least one byte (RFC 3004 section 4).
    return classes.filter((name) => name !== "");
  },
  encode: (value) => Uint8Array.from(value.flatMap((name) => [name.length, ...text.encode(name)])),
  print: (value) => value.map((name) => JSON.stringify(name)).join(", "),
};

/** Option 121: only as many bytes of the network as its prefix needs (RFC 3442). */
export const routes: ValueCodec<readonly Route[]> = {
  decode: (bytes) => {
    const found: Route[] = [];
    let at = 0;
    while (at < bytes.length) {
      const bits = bytes[at] ?? 0;
      if (bits > 32) throw new DecodeError("bad-value", at, `prefix of ${bits} bits`);
      const significant = Math.ceil(bits / 8);
      const base = new Uint8Array(4);
      base.set(bytes.subarray(at + 1, at + 1 + significant));
      const router = ipv4.decode(bytes.subarray(at + 1 + significant, at + 5 + significant));
      found.push({ base: ipv4.decode(base), bits, router });
      at += 5 + significant;
    }
    return found;
  },
  encode: (value) =>
    Uint8Array.from(
      value.flatMap((route) => [
        route.bits,
        ...ipv4.encode(route.base).subarray(0, Math.ceil(route.bits / 8)),
        ...ipv4.encode(route.router),
      ]),
    ),
  print: (value) => value.map((route) => `${route.base}/${route.bits} by ${route.router}`).join(", "),
  parse: (given) => allOf(given.split(",").map(parseRoute)),
  form: "routes such as 10.9.0.0/16 by 10.0.1.254, with commas between",
};

function parseRoute(given: string): Route | undefined {
  const [, network = "", bits = "", by = ""] =
    /^\s*(\S+)\/(\d{1,2})\s+(?:by|via)\s+(\S+)\s*$/.exec(given) ?? [];
  const [base, router] = [parseIpv4(network), parseIpv4(by)];
  const prefix = Number(bits);
  if (base === undefined || router === undefined || prefix > 32) return undefined;
  return ipv4ToNumber(base) % 2 ** (32 - prefix) === 0 ? { base, bits: prefix, router } : undefined;
}

function allOf<T>(values: readonly (T | undefined)[]): T[] | undefined {
  const found = values.filter((value) => value !== undefined);
  return found.length === values.length ? found : undefined;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Big-endian, unsigned. In plain loops: these run a dozen times a packet. */
function integer(width: 1 | 2 | 4): ValueCodec<number> {
  return {
    decode: (bytes) => {
      if (bytes.length !== width) {
        throw new DecodeError("bad-value", 0, `${bytes.length} bytes instead of ${width}`);
      }
      let value = 0;
      for (const byte of bytes) value = value * 256 + byte;
      return value;
    },
    encode: (value) => {
      const bytes = new Uint8Array(width);
      for (let at = 0; at < width; at += 1) bytes[at] = value >>> (8 * (width - 1 - at));
      return bytes;
    },
    print: String,
    parse: (given) => (/^\d{1,10}$/.test(given) && Number(given) < 256 ** width ? Number(given) : undefined),
    form: `a number from 0 to ${256 ** width - 1}`,
  };
}

/** At least one item, each `width` bytes. */
function list<T>(item: ValueCodec<T>, width: number): ValueCodec<readonly T[]> {
  return {
    decode: (bytes) => {
      if (bytes.length === 0 || bytes.length % width !== 0) {
        throw new DecodeError("bad-value", 0, `${bytes.length} bytes are no list of ${width}-byte items`);
      }
      return Array.from({ length: bytes.length / width }, (_, at) =>
        item.decode(bytes.subarray(at * width, (at + 1) * width)),
      );
    },
    encode: (value) => Uint8Array.from(value.flatMap((entry) => [...item.encode(entry)])),
    print: (value) => value.map((entry) => item.print(entry)).join(", "),
    parse: (given) => allOf(given.split(",").map((entry) => item.parse?.(entry.trim()))),
    form: `${item.form ?? "a value"}, or several with commas between`,
  };
}
