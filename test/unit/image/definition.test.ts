import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { AppError, type Fault } from "../../../server/lib/errors.ts";
import { parseDefinition, readDefinition } from "../../../server/image/definition.ts";

const good = `name: tiny
suite: trixie
components: [main]
architectures: [amd64]
sourceDateEpoch: 1767225600
variant: essential
packages:
  - systemd
  - libc6
packagesByArchitecture:
  amd64: [linux-image-amd64]
kernelArguments: [quiet, "audit=0"]
dracut:
  modules: [nfs]
  drivers: [e1000]
`;

function faultsOf(text: string): readonly Fault[] {
  try {
    parseDefinition(text, "image.yaml");
  } catch (error) {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, "invalid");
    return error.faults;
  }
  return assert.fail("nothing is wrong with it");
}

describe("image definition", () => {
  it("is read with its defaults", () => {
    const definition = parseDefinition(good, "image.yaml");
    assert.equal(definition.name, "tiny");
    assert.deepEqual(definition.packages, ["systemd", "libc6"]);
    assert.deepEqual(definition.packagesByArchitecture, { amd64: ["linux-image-amd64"] });
    assert.deepEqual(definition.kernelArguments, ["quiet", "audit=0"]);
    assert.deepEqual(definition.dpkgExclude, []);
  });

  it("of this checkout is valid", () => {
    const directory = path.join(import.meta.dirname, "../../../images/debian-13");
    assert.equal(readDefinition(directory).name, "debian-13");
  });

  it("reports every fault at once, each with its line and key", () => {
    const text = good
      .replace("name: tiny", "name: Tiny Image")
      .replace("- libc6", "- lib c6,rm")
      .replace("[e1000]", '["e1000; reboot"]')
      .replace("variant: essential", "variant: huge\nvarient: essential");
    assert.deepEqual(
      faultsOf(text).map((fault) => fault.place),
      [
        "image.yaml:1 name",
        "image.yaml:6 variant",
        "image.yaml:10 packages[1]",
        "image.yaml:16 dracut.drivers[0]",
        "image.yaml:7 varient",
      ],
    );
    assert.equal(faultsOf(text).at(-1)?.message, "unknown key");
  });

  it("says what is missing", () => {
    assert.deepEqual(
      faultsOf("name: tiny\ndracut:\n  drivers: []\n").map((fault) => fault.place),
      [
        "image.yaml suite",
        "image.yaml components",
        "image.yaml architectures",
        "image.yaml sourceDateEpoch",
        "image.yaml variant",
        "image.yaml packages",
        "image.yaml:3 dracut.modules",
      ],
    );
    assert.ok(faultsOf("").length >= 7);
  });

  it("that is no YAML is refused with the line", () => {
    const faults = faultsOf("name: tiny\npackages: [a, b\nsuite: trixie\n");
    assert.match(faults[0]?.place ?? "", /^image\.yaml:\d$/);
  });

  it("that is not there is told from one that is wrong", () => {
    assert.throws(
      () => readDefinition("/nowhere/images/none"),
      (error) => error instanceof AppError && error.code === "not-found",
    );
  });
});
