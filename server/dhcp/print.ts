import { printOption, wireOrder } from "./option-table.ts";
import { type DhcpPacket, bootRequest, noAddress } from "./packet.ts";

/** A message for people, a fact a line; fields that are zero or empty are left out. */
export function printPacket(packet: DhcpPacket): string {
  const fields: [string, string][] = [
    ["op", packet.op === bootRequest ? "request" : "reply"],
    ["htype", `${packet.htype}, hlen ${packet.hlen}, hops ${packet.hops}`],
    ["xid", packet.xid.toString(16).padStart(8, "0")],
    ["secs", String(packet.secs)],
    ["flags", packet.flags.toString(16).padStart(4, "0")],
    ["chaddr", Buffer.from(packet.chaddr.subarray(0, packet.hlen)).toString("hex")],
  ];
  for (const name of ["ciaddr", "yiaddr", "siaddr", "giaddr"] as const) {
    if (packet[name] !== noAddress) fields.push([name, packet[name]]);
  }
  if (packet.sname !== "") fields.push(["sname", JSON.stringify(packet.sname)]);
  if (packet.file !== "") fields.push(["file", JSON.stringify(packet.file)]);
  const codes = [...packet.options.keys()].sort(wireOrder);
  for (const code of codes) {
    const { name, value } = printOption(code, packet.options.get(code) ?? new Uint8Array());
    fields.push([String(code), `${name} ${value}`]);
  }
  return `${fields.map(([name, value]) => `${name.padEnd(7)}${value}`).join("\n")}\n`;
}
