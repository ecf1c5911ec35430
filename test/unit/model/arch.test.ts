import assert from "node:assert/strict";
import { test } from "node:test";
import {
  architectureNamed,
  architectureOf,
  loaderFiles,
  loaderKinds,
  loaderOf,
  placesOfLoader,
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
  assert.deepEqual(
    new Set([...files, "grubx64.efi", "ldlinux.c32"]),
    new Set(loaderFiles()),
    "shim asks for its GRUB by itself, PXELINUX for its module",
  );
});

test("a BIOS is given PXELINUX where that is chosen, else iPXE, UEFI the other choices", () => {
  assert.equal(loaderOf(architectureOf(0), "pxelinux"), "lpxelinux.0");
  assert.equal(loaderOf(architectureOf(7), "pxelinux"), "snponly.efi");
  assert.equal(loaderOf(architectureOf(0), "grub"), "undionly.kpxe");
  assert.equal(loaderOf(architectureOf(7), "grub"), "grubnetx64.efi");
  assert.equal(loaderOf(architectureOf(16), "ipxe"), "snponly.efi");
  assert.equal(loaderOf(architectureOf(16), "grub"), "grubhttpx64.efi");
  assert.equal(loaderOf(architectureOf(6), "grub"), undefined);
});

test("shim where there is one, GRUB where there is none, iPXE where there is neither", () => {
  const files = [7, 9, 11, 16, 0, 6].map((code) => loaderOf(architectureOf(code), "shim"));
  const signed = "shimx64.efi";
  assert.deepEqual(files, [signed, signed, "grubnetaa64.efi", "grubhttpx64.efi", "undionly.kpxe", undefined]);
});

test("a signed loader is looked for in the site's own directory and where Debian has it, never among unsigned ones", () => {
  const directories = ["/own", "/usr/lib/grub/x86_64-efi/monolithic"];
  const paths = (file: string): string[] =>
    placesOfLoader(file, directories).map((place) => `${place.directory}/${place.file}`);
  assert.deepEqual(paths("snponly.efi"), ["/own/snponly.efi", `${directories[1]}/snponly.efi`]);
  assert.deepEqual(paths("shimx64.efi"), ["/own/shimx64.efi", "/usr/lib/shim/shimx64.efi.signed"]);
  const signedGrub = "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";
  assert.deepEqual(paths("grubx64.efi"), ["/own/grubx64.efi", signedGrub]);
  assert.equal(paths("/grubx64.efi").at(-1), signedGrub);
});
