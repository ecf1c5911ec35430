import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readRequest6 } from "../../../server/dhcp6/client.ts";
import { decode6, encode6 } from "../../../server/dhcp6/codec.ts";
import { optionCodes, type Packet6 } from "../../../server/dhcp6/packet.ts";
import type { Ipv6 } from "../../../server/lib/ipv6.ts";

/**
 * Messages of real firmware (OVMF 2022.11 and iPXE 1.21 in QEMU, whose machines had the SMBIOS UUIDs
 * 4c4c4544-0042-3510-8054-b7c04f4e3731 and …3732), the UDP payload as hexadecimal. What each says is in the .txt
 * beside it: `UPDATE_GOLDEN=1` writes those.
 */
const folder = join(import.meta.dirname, "golden");
/** All had link-local addresses made of their MAC. */
const source = "fe80::5054:ff:fe77:a01" as Ipv6;

const names = readdirSync(folder)
  .filter((file) => file.endsWith(".hex"))
  .map((file) => file.slice(0, -".hex".length));

const optionNames = new Map<number, string>(Object.entries(optionCodes).map(([name, code]) => [code, name]));

function packetOf(name: string): Uint8Array {
  return Buffer.from(readFileSync(join(folder, `${name}.hex`), "utf8").replaceAll(/\s/g, ""), "hex");
}

function meaningOf(bytes: Uint8Array): string {
  const packet: Packet6 = decode6(bytes);
  const { message, client, uuid, mac, machineMac, vendorClass, clientId, associations } = readRequest6(
    packet,
    source,
  );
  const options = message.options.map(
    ({ code, value }) =>
      `${String(code).padEnd(3)} ${optionNames.get(code) ?? "?"} ${Buffer.from(value).toString("hex")}`,
  );
  const kind = client.kind === "system" ? "system" : `${client.kind} ${client.architecture.name}`;
  const facts = { client: kind, vendorClass, mac, machineMac, uuid, clientId };
  return [
    `${message.type} ${message.transactionId.toString(16).padStart(6, "0")}`,
    ...options,
    ...Object.entries(facts).map(([name, value]) => `${name}: ${value ?? "-"}`),
    ...associations.map(({ iaid, addresses }) => `association ${iaid}: ${addresses.join(" ") || "-"}`),
    "",
  ].join("\n");
}

for (const name of names) {
  test(`${name} means what is written beside it, and is written as it was read`, () => {
    const bytes = packetOf(name);
    assert.deepEqual(Buffer.from(encode6(decode6(bytes))), Buffer.from(bytes));
    const file = join(folder, `${name}.txt`);
    const meaning = meaningOf(bytes);
    if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(file, meaning);
    assert.equal(meaning, readFileSync(file, "utf8"));
  });
}

test("EDK2 and iPXE name one machine by one UUID, though they write it the other way round", () => {
  const uuidOf = (name: string): string | undefined => readRequest6(decode6(packetOf(name)), source).uuid;
  assert.equal(uuidOf("edk2-x64-pxe-solicit"), "4c4c4544-0042-3510-8054-b7c04f4e3731");
  assert.equal(uuidOf("ipxe-efi-solicit"), "4c4c4544-0042-3510-8054-b7c04f4e3731");
  assert.equal(uuidOf("ipxe-bios-solicit"), "4c4c4544-0042-3510-8054-b7c04f4e3732");
});
