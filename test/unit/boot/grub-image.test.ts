import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { makeGrubImages } from "../../../server/boot/grub-image.ts";
import { silentLog } from "../../../server/lib/log.ts";
import { grub, grubModuleDirectory } from "../../../server/model/arch.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { join } from "node:path";

test("a GRUB with HTTP in it is made of the modules that the machine has, twice the same, and nothing else is left", async (t) => {
  const directory = join(temporaryDirectory(t), "loaders");
  await makeGrubImages(directory, silentLog);
  const formats = { "x86_64-efi": grub.x64Http, "arm64-efi": grub.arm64Http } as const;
  const expected = Object.entries(formats).flatMap(([format, file]) =>
    existsSync(join(grubModuleDirectory(format as keyof typeof formats), "http.mod")) ? [file] : [],
  );
  assert.deepEqual(readdirSync(directory).toSorted(), ["grub-first.cfg", ...expected].toSorted());
  const first = expected.map((file) => readFileSync(join(directory, file)));
  for (const image of first) {
    assert.equal(image.subarray(0, 2).toString(), "MZ", "a program of UEFI");
    assert.ok(image.includes("source $cmdpath/grub.cfg\n"));
    assert.ok(image.includes(" HTTP/1.1\r\nHost: "), "its HTTP");
  }
  await makeGrubImages(directory, silentLog);
  assert.deepEqual(
    expected.map((file) => readFileSync(join(directory, file))),
    first,
  );
});
