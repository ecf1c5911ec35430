import assert from "node:assert/strict";
import { BootFailure } from "../../../server/simulate/effects.ts";
import { parseScript } from "../../../server/simulate/ipxe-script.ts";
import { readArchive } from "../../../server/simulate/overlay-archive.ts";
import { readBootTarget } from "../../../server/http/boot-target.ts";
import { select } from "../../../server/http/selection.ts";
import { newcArchive } from "../../../server/nodeconfig/cpio.ts";
import type { FuzzTarget } from "../fuzzer.ts";

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

const sizeBytes = 1000;
const given = { sizeBytes, etag: '"a-b"', modifiedAtMs: 1_700_000_000_000 };
const names = [
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
] as const;

/** The first line is the target, the others are headers; the first byte of each says which. */
export const httpRequest: FuzzTarget = {
  name: "http-request",
  seeds: [
    "/boot/52-54-00-12-34-56/script.ipxe",
    "//boot/52-54-00-12-34-56~n001/loader/snponly.efi?x\n0bytes=0-99",
    'http://10.0.1.1:8080/boot/52-54-00-12-34-56/0123456789abcdef/debian-13/20261122-3f9a1c04/kernel\n0bytes=500-\n1"a-b"',
    "/boot/x/y/initrd\n0bytes=-5\n4Tue, 14 Nov 2023 22:13:20 GMT",
    '/boot/a/b/overlay\n3"x", W/"a-b", *\n2*',
  ].map(bytesOf),
  words: [
    "bytes=",
    "-",
    ",",
    "%2f",
    "%zz",
    "..",
    "\n0",
    "\n1",
    "W/",
    '"',
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "99999999999",
  ].map(bytesOf),
  longest: 400,
  rooms: ["/server/http/"],
  run: (bytes) => {
    const [target = "", ...lines] = textOf(bytes).split("\n");
    readBootTarget(target);
    const headers = Object.fromEntries(
      lines.map((line) => [names[line.charCodeAt(0) % names.length] ?? "range", line.slice(1)]),
    );
    for (const method of ["GET", "HEAD"] as const) {
      const chosen = select(method, headers, given, 1_800_000_000_000);
      if (chosen.status !== 200 && chosen.status !== 206) continue;
      assert.ok(
        chosen.from >= 0 && chosen.from <= chosen.to && chosen.to <= sizeBytes,
        "a slice of the file",
      );
      if (chosen.status === 206)
        assert.ok(chosen.to > chosen.from && method === "GET", "a part of something");
    }
  },
};

/** Scripts and archives, as a simulated machine takes them from a head. */
export const simulatedNode: FuzzTarget = {
  name: "simulated-node",
  seeds: [
    bytesOf(
      "#!ipxe\n:start\nkernel --name vmlinuz http://h/k initrd=i || goto failed\nsleep 5\nchain --replace http://h/s || goto start\n",
    ),
    newcArchive([{ kind: "file", path: "/etc/hostname", mode: 0o644, content: bytesOf("n001\n") }]),
  ],
  words: ["#!ipxe\n", " || ", " && ", "goto ", "sleep ", ":", "${", "070701", "TRAILER!!!\0", "ffffffff"].map(
    bytesOf,
  ),
  longest: 800,
  rooms: ["/server/simulate/ipxe-script", "/server/simulate/overlay"],
  run: (bytes) => {
    for (const read of [() => parseScript(textOf(bytes)), () => readArchive(bytes)]) {
      try {
        read();
      } catch (error) {
        if (!(error instanceof BootFailure)) throw error;
      }
    }
  },
};
