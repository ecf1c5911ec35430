import { DecodeError } from "../lib/errors.ts";
import { ipv4ToNumber, parseIpv4 } from "../lib/ipv4.ts";
import type { DhcpOption } from "../model/node.ts";
import { nearestName } from "../model/nearest-name.ts";
import { type OptionRow, optionNames, rowNamed, rowOf } from "./option-table.ts";
import * as values from "./option-values.ts";

/** An option as read, or what is wrong with it. */
export type ReadOption = { option: DhcpOption } | { fault: string };

/** Options that are not an administrator's to set, and why. */
const owned: ReadonlyMap<number, string> = new Map([
  [0, "is padding"],
  [1, "follows from the subnet"],
  [50, "is what a client asks with"],
  [51, "is leaseSeconds of the network"],
  [52, "says how the message is laid out"],
  [53, "is the type of the message"],
  [54, "is the head's own address"],
  [55, "is what a client asks with"],
  [56, "says why a request is refused"],
  [57, "is what a client takes"],
  [61, "is the client's own, and comes back as it sent it"],
  [80, "would promise an address without asking for it, which the head does not do"],
  [82, "is the relay's own, and comes back as it sent it"],
  [97, "is the machine's own, and comes back as it sent it"],
  [118, "is what a client or a relay asks with"],
  [255, "is the end of the options"],
]);

/** Reads `ntp-servers=10.0.1.1,10.0.1.2`, `42=10.0.1.1`, `224=hex:0a0b`. */
export function readOptionText(text: string): ReadOption {
  const at = text.indexOf("=");
  if (at < 1) return { fault: `${JSON.stringify(text)} is not NAME=VALUE, as in ntp-servers=10.0.1.1` };
  return readOptionValue(text.slice(0, at).trim(), text.slice(at + 1).trim());
}

/**
 * Reads an option by its name or number. The value is written as the option's layout asks; `hex:`, `text:` and `ip:` before
 * it say the bytes themselves, and an option without a known layout needs one of them.
 */
export function readOptionValue(name: string, value: string): ReadOption {
  const code = codeOf(name);
  if (code === undefined) {
    const near = nearestName(name, optionNames());
    return {
      fault: `there is no option ${name}${near === undefined ? "" : `, ${near} perhaps`}; any goes by its number`,
    };
  }
  const row = rowOf(code);
  const shown = row?.name ?? `option ${code}`;
  const reason = owned.get(code);
  if (reason !== undefined) return { fault: `${shown} cannot be set: it ${reason}` };
  const bytes = bytesOf(value, row);
  if (bytes === undefined) {
    const form = row?.value.form === undefined ? "" : `${row.value.form}, or `;
    return { fault: `${shown}: ${JSON.stringify(value)} is not ${form}hex:…, text:… or ip:…` };
  }
  const misfit = misfitOf(bytes, row);
  if (misfit !== undefined) return { fault: `${shown}: ${misfit}` };
  return { option: { code, value: bytes } };
}

/** `ntp-servers=10.0.1.1, 10.0.1.2`: as `readOptionText` reads it. */
export function optionText(option: DhcpOption): string {
  const { name, value } = optionNameAndText(option);
  return `${name}=${value}`;
}

export function optionNameAndText({ code, value }: DhcpOption): { name: string; value: string } {
  const row = rowOf(code);
  const name = row?.name ?? String(code);
  const hex = `hex:${Buffer.from(value).toString("hex")}`;
  if (row?.value.parse === undefined || misfitOf(value, row) !== undefined) return { name, value: hex };
  const decoded = row.value.decode(value);
  const text = typeof decoded === "string" ? decoded : row.value.print(decoded);
  // Text that looks like something else, or has blanks around it that would be lost.
  const back = bytesOf(text.trim(), row);
  return { name, value: back !== undefined && Buffer.compare(back, value) === 0 ? text : hex };
}

/** The names that `readOptionValue` takes. */
export function settableOptionNames(): readonly string[] {
  return optionNames().filter((name) => !owned.has(rowNamed(name)?.code ?? 0));
}

function codeOf(name: string): number | undefined {
  if (!/^\d{1,3}$/.test(name)) return rowNamed(name)?.code;
  return Number(name) <= 255 ? Number(name) : undefined;
}

/** An option longer than this would leave no room for any other, whatever the client takes. */
const valueBytes = 1024;

function bytesOf(text: string, row: OptionRow<unknown> | undefined): Uint8Array | undefined {
  const [, form, rest = ""] = /^(hex|text|ip):(.*)$/s.exec(text) ?? [];
  switch (form) {
    case "hex": {
      const digits = rest.replaceAll(/[\s:]/g, "");
      return /^(?:[0-9a-f]{2})+$/i.test(digits) ? Buffer.from(digits, "hex") : undefined;
    }
    case "text": {
      return values.text.parse?.(rest) === undefined ? undefined : values.text.encode(rest);
    }
    case "ip": {
      const addresses = rest.split(",").map((item) => parseIpv4(item.trim()));
      return addresses.includes(undefined)
        ? undefined
        : Uint8Array.from(
            addresses.flatMap((ip) => (ip === undefined ? [] : [...values.u32.encode(ipv4ToNumber(ip))])),
          );
    }
    default: {
      const parsed = row?.value.parse?.(text);
      return parsed === undefined ? undefined : row?.value.encode(parsed);
    }
  }
}

function misfitOf(bytes: Uint8Array, row: OptionRow<unknown> | undefined): string | undefined {
  if (bytes.length > valueBytes) return `${bytes.length} bytes, ${valueBytes} at most`;
  try {
    row?.value.decode(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof DecodeError) return error.message;
    throw error;
  }
}
