import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bootUrls, readIdentity, readOwnPath } from "../../../server/boot/boot-urls.ts";
import { readBootTarget } from "../../../server/http/boot-target.ts";
import { parseMac } from "../../../server/lib/mac.ts";
import { isNodeName } from "../../../server/model/node.ts";

const machines = fc.record(
  {
    mac: fc
      .integer({ min: 1, max: 0xffffffff })
      .map((value) => parseMac(`5254${value.toString(16).padStart(8, "0")}`) ?? ("" as never)),
    name: fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/).filter(isNodeName),
  },
  { requiredKeys: ["mac"], noNullPrototype: true },
);

test("who a machine is comes back from every path it is given", () => {
  const urls = bootUrls("10.0.1.1", 8080);
  fc.assert(
    fc.property(machines, fc.constantFrom("undionly.kpxe", "snponly.efi"), (machine, file) => {
      const path = urls.loaderPath(machine, file);
      assert.deepEqual(readOwnPath(path), { machine, file: { kind: "loader", name: file } });
      assert.equal(urls.loader(machine, file), `${urls.base}/${path}`);
      const script = urls.script(machine).slice(urls.base.length);
      assert.deepEqual(readOwnPath(script), { machine, file: { kind: "script", dialect: "ipxe" } });
      const grub = (path: string): string => path.replace("(tftp,10.0.1.1)", "");
      const grubScript = grub(urls.grubScript(machine));
      assert.deepEqual(readOwnPath(grubScript), { machine, file: { kind: "script", dialect: "grub" } });
      const nonce = "0123456789abcdef".repeat(2);
      const image = { name: "debian-13", version: "20261122-3f9a1c04.2" };
      const boot = { nonce, image };
      for (const file of ["kernel", "initrd"] as const) {
        const expected = { kind: "image-file", nonce, image: "debian-13@20261122-3f9a1c04.2", file };
        assert.deepEqual(readOwnPath(grub(urls.grubFile(machine, boot, file))), { machine, file: expected });
        const http = urls.file(machine, boot, file).slice(urls.base.length);
        assert.deepEqual(readOwnPath(http), { machine, file: expected });
        assert.deepEqual(readBootTarget(http), { ...expected, machine: path.split("/")[1] });
      }
      const overlay = grub(urls.grubFile(machine, boot, "overlay"));
      assert.deepEqual(readOwnPath(overlay), { machine, file: { kind: "overlay", nonce } });
      assert.deepEqual(readIdentity(script.split("/")[2] ?? ""), machine);
      assert.ok(path.length < 128, "fits into the boot file field of DHCP");
    }),
  );
});

test("what is no machine is not read as one", () => {
  for (const segment of [
    "",
    "~n1",
    "52-54-00-00-00-01~",
    "52-54-00-00-00-01~a~b",
    "52-54-00-00-00-01~A",
    "n1",
  ]) {
    assert.equal(readIdentity(segment), undefined, segment);
  }
  for (const path of [
    "boot/52-54-00-00-00-01~n1/../x",
    "boot/52-54-00-00-00-01~n1/kernel",
    "boot/52-54-00-00-00-01/0123456789abcdef/kernel",
    "boot/52-54-00-00-00-01/0123456789abcdef/debian-13/kernel",
    "boot/52-54-00-00-00-01/0123456789abcdef/../20261122-3f9a1c04/x/kernel",
    "undionly.kpxe",
  ]) {
    assert.equal(readOwnPath(path), undefined, path);
  }
});
