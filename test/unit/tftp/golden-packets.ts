import { readFileSync } from "node:fs";

/** A datagram as a real client or server sent it: hex, with a line on top that says who. */
export function goldenPacket(name: string): Uint8Array {
  const text = readFileSync(new URL(`golden/${name}.hex`, import.meta.url), "utf8");
  return Buffer.from(text.replace(/^#.*$/gm, "").replaceAll(/\s/g, ""), "hex");
}
