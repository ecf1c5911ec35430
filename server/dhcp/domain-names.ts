import { DecodeError } from "../lib/errors.ts";
import type { ValueCodec } from "./option-values.ts";

/** RFC 1035 section 2.3.4: a label of a name, and a name. */
const labelBytes = 63;
const nameBytes = 255;

/** Domain names as DNS writes them (RFC 1035 section 3.1), as option 119 has them (RFC 3397). Written without compression. */
export const domainNames: ValueCodec<readonly string[]> = {
  decode: (bytes) => {
    const names: string[] = [];
    let at = 0;
    while (at < bytes.length) {
      const { name, end } = readName(bytes, at);
      names.push(name);
      at = end;
    }
    return names;
  },
  encode: (value) =>
    Uint8Array.from(
      value.flatMap((name) => {
        // The root has no labels.
        const labels = name === "" ? [] : name.split(".");
        return [...labels.flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]), 0];
      }),
    ),
  print: (value) => value.join(", "),
  parse: (text) => {
    const names = text.split(",").map((name) => name.trim().replace(/\.$/, ""));
    return names.every(isDomainName) ? names : undefined;
  },
  form: "domain names with commas between",
};

/** `end`: where the next name begins, whatever compression pointed to. */
function readName(bytes: Uint8Array, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  let end: number | undefined;
  let length = 0;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) throw new DecodeError("truncated", at, "a domain name is cut off");
    if (size === 0) return { name: labels.join("."), end: end ?? at + 1 };
    if (size >= 0xc0) {
      const target = (size & 0x3f) * 256 + (bytes[at + 1] ?? 0);
      // Only backwards (RFC 1035 section 4.1.4), or two pointers would lead to each other for ever.
      if (target >= at) throw new DecodeError("bad-value", at, "a domain name points forwards");
      end ??= at + 2;
      at = target;
      length += 1;
    } else {
      if (size > labelBytes || at + 1 + size > bytes.length) {
        throw new DecodeError("bad-value", at, `a label of ${size} bytes in a domain name`);
      }
      const label = Buffer.from(bytes.subarray(at + 1, at + 1 + size)).toString("latin1");
      // It would be two labels to whoever reads the name.
      if (label.includes("."))
        throw new DecodeError("bad-value", at, "a dot within a label of a domain name");
      labels.push(label);
      at += 1 + size;
      length += 1 + size;
    }
    if (length > nameBytes) throw new DecodeError("too-long", at, "a domain name of over 255 bytes");
  }
}

function isDomainName(text: string): boolean {
  return (
    text.length < nameBytes - 1 &&
    text.split(".").every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}$/.test(label) && !label.endsWith("-"))
  );
}
