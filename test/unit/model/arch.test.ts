import assert from "node:assert/strict";
import { test } from "node:test";
import {
  architectureNamed,
  architectureOf,
  loaderFiles,
  loaderKinds,
  loaderOf,
  raspberryPi,
} from "../../../server/model/arch.ts";

/** The IANA registry "Processor Architecture Types", by number: what each fetches its loader by. */
const httpCodes = new Set([15, 16, 17, 18, 19, 20, 23, 24, 26, 28, 30, 38, 40]);

test("all 42 assigned numbers are known by name, and by HTTP or TFTP as the registry has them", () => {
  for (let code = 0; code < 42; code += 1) {
    const { name, transport } = architectureOf(code);
    assert.doesNotMatch(name, /^arch-/, String(code));
    assert.equal(transport, httpCodes.has(code) ? "http" : "tftp", `${code} ${name}`);
    assert.equal(name.endsWith("-http"), httpCodes.has(code), `${code} ${name}`);
  }
  assert.deepEqual(architectureOf(42), { name: "arch-42", family: "other", transport: "tftp" });
  assert.equal(architectureOf(41), raspberryPi);
});

test("a name leads to the row of its number; x86-64 has two numbers", () => {
  for (let code = 0; code < 42; code += 1) {
    const row = architectureOf(code);
    assert.deepEqual(architectureNamed(row.name), row);
  }
  assert.deepEqual(architectureOf(9), architectureOf(7));
  assert.equal(architectureNamed("arch-77").loader, undefined);
});

test("machines that we have loaders for, by TFTP and by HTTP", () => {
  const withLoader = Array.from({ length: 42 }, (_, code) => code).filter(
    (code) => architectureOf(code).loader !== undefined,
  );
  assert.deepEqual(withLoader, [0, 7, 9, 11, 16, 19]);
  const files = loaderKinds.flatMap((kind) => withLoader.map((code) => loaderOf(architectureOf(code), kind)));
  assert.deepEqual(new Set(files), new Set(loaderFiles()));
});

test("a BIOS is given iPXE whatever the site's choice, UEFI that choice", () => {
  assert.equal(loaderOf(architectureOf(0), "grub"), "undionly.kpxe");
  assert.equal(loaderOf(architectureOf(7), "grub"), "grubnetx64.efi");
  assert.equal(loaderOf(architectureOf(16), "ipxe"), "snponly.efi");
  assert.equal(loaderOf(architectureOf(6), "grub"), undefined);
});
