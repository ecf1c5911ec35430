import assert from "node:assert/strict";
import { readOwnPath } from "../../../server/boot/boot-urls.ts";
import { checkConfig } from "../../../server/config/schema.ts";
import { AppError, DecodeError } from "../../../server/lib/errors.ts";
import { optionText, readOptionText } from "../../../server/dhcp/option-text.ts";
import {
  clientIdText,
  parseClientId,
  parseRelayPort,
  parseUuid,
  relayPortText,
} from "../../../server/model/machine-identity.ts";
import { expandNewNames, expandRange, foldNames } from "../../../server/model/node-range.ts";
import type { DhcpOption } from "../../../server/model/node.ts";
import { decodeNullReply, decodeWalkReply, encodeNullCall, replyBytes } from "../../../server/nfs/rpc.ts";
import { parse } from "yaml";
import type { FuzzTarget } from "../fuzzer.ts";

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const names = Array.from({ length: 20 }, (_, at) => `n${String(at + 1).padStart(3, "0")}`);
const lookup = {
  hasNode: (name: string) => names.includes(name),
  group: (name: string) => (name === "odd" ? names.filter((_, at) => at % 2 === 0) : undefined),
  all: () => names,
  groupNames: () => ["odd"],
};

/** Node ranges as people and scripts write them. */
export const nodeRange: FuzzTarget = {
  name: "node-range",
  seeds: ["n[001-020]", "n001,n003", "@odd!n001", "all!n[001-010]", "@odd&n[001-005]", "n[1,3-5]"].map(
    bytesOf,
  ),
  words: ["[", "]", "-", ",", "!", "&", "@odd", "all", "n001", "999999999"].map(bytesOf),
  longest: 80,
  rooms: ["/server/model/"],
  run: (bytes) => {
    const found = allowed(() => expandRange(textOf(bytes), lookup));
    if (found !== undefined) {
      assert.ok(found.every((name) => names.includes(name)) && new Set(found).size === found.length);
      if (found.length > 0)
        assert.deepEqual(expandRange(foldNames(found), lookup).toSorted(), found.toSorted());
    }
    allowed(() => expandNewNames(textOf(bytes)));
  },
};

/** Paths as firmware and strangers ask for them. */
export const bootPath: FuzzTarget = {
  name: "boot-path",
  seeds: [
    "boot/52-54-00-12-34-56/script.ipxe",
    "//boot/52:54:00:12:34:56/loader/snponly.efi",
    "boot/52-54-00-12-34-56/0123456789abcdef/debian-13/20261122-3f9a1c04/kernel",
  ].map(bytesOf),
  words: ["boot/", "/loader/", "../", "%2e", "\\", "~n001", "script.ipxe"].map(bytesOf),
  longest: 200,
  rooms: ["/server/boot/", "/server/lib/"],
  run: (bytes) => {
    const own = readOwnPath(textOf(bytes));
    if (own?.file.kind === "loader")
      assert.ok(!own.file.name.includes("/") && !own.file.name.startsWith(".."));
  },
};

/** A head's configuration file. */
export const configuration: FuzzTarget = {
  name: "configuration",
  seeds: [
    "interface: eth1\naddress: 10.0.1.1\nsubnet: 10.0.1.0/24\npool: 10.0.1.200-10.0.1.250\n",
    "interface: eth1\naddress: 10.0.1.1\nsubnet: 10.0.1.0/24\npool: 10.0.1.200-10.0.1.250\nports: {dhcp: 67}\nnfs: {backend: kernel}\ndns: [10.0.1.1]\n",
  ].map(bytesOf),
  words: ["router: ", "10.0.1.254", "leaseSeconds: ", "[", "{", "null", "!!binary ", "- ", "&a ", "*a"].map(
    bytesOf,
  ),
  longest: 400,
  rooms: ["/server/config/", "/server/lib/"],
  run: (bytes) => {
    let input: unknown;
    try {
      input = parse(textOf(bytes), { logLevel: "silent" });
    } catch {
      return; // YAML's own faults are reported by the library
    }
    const checked = checkConfig(input);
    if ("issues" in checked)
      assert.ok(checked.issues.length > 0 && checked.issues.every(({ message }) => message !== ""));
  },
};

/** Options and identifiers of machines, as people write them at the command line; shown, they are read again as the same. */
export const nodeSettings: FuzzTarget = {
  name: "node-settings",
  seeds: [
    "ntp-servers=10.0.1.1,10.0.1.2",
    "224=hex:0102ff",
    "classless-routes=10.1.0.0/16 by 10.0.1.254",
    "domain-search=rack1.lan,lan",
    "52:54:00:aa:bb:cc/Gi0/1",
    "12345678-1234-1234-1234-123456789abc",
    "text:cabinet 3",
  ].map(bytesOf),
  words: ["hex:", "text:", "ip:", "=", ",", "/", "255", "router=", "mtu=", "10.0.1.1"].map(bytesOf),
  longest: 200,
  rooms: ["/server/dhcp/option", "/server/dhcp/domain", "/server/model/machine"],
  run: (bytes) => {
    const text = textOf(bytes);
    const read = readOptionText(text);
    if ("option" in read) {
      const again = readOptionText(optionText(read.option));
      const plain = ({ code, value }: DhcpOption): string => `${code} ${Buffer.from(value).toString("hex")}`;
      assert.equal("option" in again ? plain(again.option) : again.fault, plain(read.option));
    } else {
      assert.ok(read.fault.length > 0);
    }
    parseUuid(text);
    const id = parseClientId(text);
    if (id !== undefined) assert.equal(parseClientId(clientIdText(id)), id);
    const port = parseRelayPort(text);
    if (port !== undefined) assert.equal(parseRelayPort(relayPortText(port)), port);
  },
};

/** What an NFS server may answer. */
export const rpcReply: FuzzTarget = {
  name: "rpc-reply",
  seeds: [
    encodeNullCall(7),
    Uint8Array.from([128, 0, 0, 24, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
  ],
  words: [Uint8Array.of(0, 0, 0, 1), Uint8Array.of(255, 255, 255, 255), Uint8Array.of(0, 0, 0, 7)],
  longest: 300,
  rooms: ["/server/nfs/", "/server/lib/"],
  run: (bytes) => {
    allowed(() => replyBytes(bytes));
    allowed(() => decodeNullReply(bytes, 7));
    const walk = allowed(() => decodeWalkReply(bytes, 7));
    if (walk !== undefined) assert.ok(walk.found >= 0);
  },
};

function allowed<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError || error instanceof AppError) return undefined;
    throw error;
  }
}
