import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readBootTarget } from "../../../server/http/boot-target.ts";

const machine = "52-54-00-00-00-01";
const script = { kind: "script", machine, dialect: "ipxe" };

for (const target of [
  `/boot/${machine}/script.ipxe`,
  `//boot//${machine}///script.ipxe`,
  `/boot/${machine}/script.ipxe?`,
  `/boot/${machine}/script.ipxe?a=b/c`,
  `/boot/${machine}/script.ipxe#here`,
  `/boot/%35%32${machine.slice(2)}/script%2eipxe`,
  `http://10.0.1.1:8080/boot/${machine}/script.ipxe`,
  `HTTP://head//boot/${machine}/script.ipxe`,
  `/boot/${machine}/script.ipxe/`,
]) {
  test(`a script, however it is written: ${target}`, () => assert.deepEqual(readBootTarget(target), script));
}

test("loaders and the files of a boot", () => {
  assert.deepEqual(readBootTarget(`/boot/${machine}/loader/snponly.efi`), {
    kind: "loader",
    machine,
    file: "snponly.efi",
  });
  const overlay = { kind: "overlay", machine, nonce: "0af3" };
  assert.deepEqual(readBootTarget(`/boot/${machine}/0af3/overlay`), overlay);
  for (const file of ["kernel", "initrd"]) {
    const expected = { kind: "image-file", machine, nonce: "0af3", image: "debian-13@1-a", file };
    assert.deepEqual(readBootTarget(`/boot/${machine}/0af3/debian-13/1-a/${file}`), expected);
    assert.deepEqual(readBootTarget(`/boot/${machine}/0af3/${file}`), { kind: "nothing" });
  }
});

test("what GRUB asks for", () => {
  assert.deepEqual(readBootTarget(`/boot/${machine}/script.grub`), { ...script, dialect: "grub" });
  for (const path of ["/grub/grub.cfg", "//grub//x86_64-efi/grub%2ecfg", "/boot/x/loader/grub.cfg"])
    assert.deepEqual(readBootTarget(path), { kind: "grub-config", machine: undefined }, path);
  assert.equal(readBootTarget("/grub/x86_64-efi/fs.lst"), undefined);
});

test("a segment leads nowhere: what is decoded in it stays in it", () => {
  assert.deepEqual(readBootTarget(`/boot/${machine}/loader/..%2f..%2fetc%2fpasswd`), {
    kind: "loader",
    machine,
    file: "../../etc/passwd",
  });
  for (const path of [
    `/boot/${machine}/loader/../../../etc/passwd`,
    `/boot/${machine}/../${machine}/script.ipxe`,
    "/boot",
    "/boot/",
    `/boot/${machine}`,
    `/boot/${machine}/0af3/shadow`,
    `/boot/${machine}/0af3/debian-13/1-a/overlay`,
    `/boot/${machine}/0af3/debian-13/1-a/kernel/x`,
  ])
    assert.deepEqual(readBootTarget(path), { kind: "nothing" }, path);
});

test("what is malformed is said to be", () => {
  for (const path of [`/boot/%zz/script.ipxe`, `/boot/${machine}/loader/%`, "/boot/%80/script.ipxe"])
    assert.deepEqual(readBootTarget(path), { kind: "malformed" }, path);
});

test("other paths are others'", () => {
  for (const path of ["/", "", "*", "/node/n1/phase", "/boots/x", "boot/x", "/x/boot/y/script.ipxe"])
    assert.equal(readBootTarget(path), undefined, path);
});

test("whatever is asked for, it is read without an error, and a name has no slash that was not written as %2f", () => {
  const piece = fc.oneof(
    fc.constantFrom("/", "boot", "%2f", "%", "..", "script.ipxe", "loader", "?", "kernel"),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const target = `/boot/${pieces.join("")}`;
      const read = readBootTarget(target);
      assert.ok(read !== undefined);
      if (read.kind === "loader" && !/%2f/i.test(target)) assert.ok(!read.file.includes("/"));
    }),
    { numRuns: 1000 },
  );
});
