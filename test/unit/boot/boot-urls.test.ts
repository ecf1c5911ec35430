import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bootUrls, readGrubConfig, readIdentity, readOwnPath } from "../../../server/boot/boot-urls.ts";
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
      const tftp = (path: string): string => path.replace("(tftp,10.0.1.1)", "");
      const http = (path: string): string => path.replace("(http,10.0.1.1:8080)", "");
      const grubScript = tftp(urls.grubScript("tftp", machine));
      assert.equal(http(urls.grubScript("http", machine)), grubScript);
      assert.deepEqual(readOwnPath(grubScript), { machine, file: { kind: "script", dialect: "grub" } });
      const segment = path.split("/")[1] ?? "";
      assert.deepEqual(readBootTarget(grubScript), { kind: "script", dialect: "grub", machine: segment });
      const config = path.replace(file, "grub.cfg");
      assert.deepEqual(readGrubConfig(config), { machine });
      assert.deepEqual(readBootTarget(`/${config}`), { kind: "grub-config", machine });
      const nonce = "0123456789abcdef".repeat(2);
      const image = { name: "debian-13", version: "20261122-3f9a1c04.2" };
      const boot = { nonce, image };
      for (const file of ["kernel", "initrd"] as const) {
        const expected = { kind: "image-file", nonce, image: "debian-13@20261122-3f9a1c04.2", file };
        const own = urls.file(machine, boot, file).slice(urls.base.length);
        assert.equal(tftp(urls.grubFile("tftp", machine, boot, file)), own);
        assert.equal(http(urls.grubFile("http", machine, boot, file)), own);
        assert.deepEqual(readOwnPath(own), { machine, file: expected });
        assert.deepEqual(readBootTarget(own), { ...expected, machine: segment });
      }
      const overlay = tftp(urls.grubFile("tftp", machine, boot, "overlay"));
      assert.deepEqual(readOwnPath(overlay), { machine, file: { kind: "overlay", nonce } });
      assert.deepEqual(readIdentity(script.split("/")[2] ?? ""), machine);
      assert.ok(path.length < 128, "fits into the boot file field of DHCP");
    }),
  );
});

test("GRUB names the head's port where it is not 80, and IPv6 in brackets", () => {
  assert.match(bootUrls("10.0.1.1", 80).grubScript("http", undefined), /^\(http,10\.0\.1\.1\)\/boot\//);
  const own = bootUrls("fd77::1", 8080).grubScript("http", undefined);
  assert.equal(own, "(http,[fd77::1]:8080)/boot/${net_default_mac}/script.grub");
});

test("GRUB's configuration is found wherever it looks, and told whose it is where that is said", () => {
  const mac = parseMac("52:54:00:00:00:01");
  const other = "52-54-00-00-00-02";
  for (const [path, machine] of [
    ["grub.cfg", undefined],
    ["/grub/grub.cfg", undefined],
    ["grub/x86_64-efi/grub.cfg", undefined],
    ["/grub/grub.cfg-01-52-54-00-00-00-01", { mac }],
    ["//boot/52-54-00-00-00-01~n1/loader/grub.cfg", { mac, name: "n1" }],
    ["boot/52-54-00-00-00-01/loader/grub.cfg-01-" + other, { mac }],
    ["boot/nonsense/loader/grub.cfg", undefined],
  ] as const)
    assert.deepEqual(readGrubConfig(path), { machine }, path);
  for (const path of ["grub.cfg.bak", "/grub/grub.cfg-C0A8", "my-grub.cfg", "boot/x/loader/grubnetx64.efi"])
    assert.equal(readGrubConfig(path), undefined, path);
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
