import { readOptionText } from "../dhcp/option-text.ts";
import type { DhcpOption } from "../model/node.ts";
import type { Faults } from "./node-values.ts";

/** The DHCP options of `--option` flags; undefined when none was given. */
export function readOptions(
  texts: readonly string[] | undefined,
  faults: Faults,
): readonly DhcpOption[] | undefined {
  if (texts === undefined) return undefined;
  const found = new Map<number, DhcpOption>();
  for (const text of texts) {
    const read = readOptionText(text);
    if ("fault" in read) faults.add("--option", read.fault);
    else if (found.has(read.option.code)) faults.add("--option", `${text}: set twice`);
    else found.set(read.option.code, read.option);
  }
  return [...found.values()].sort((left, right) => left.code - right.code);
}
