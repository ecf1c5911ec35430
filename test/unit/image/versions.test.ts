import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { createImageCatalog, makeCurrent } from "../../../server/image/versions.ts";

const directory = mkdtempSync(path.join(tmpdir(), "provision-versions-"));
let store = "";
let stores = 0;
beforeEach(() => {
  stores += 1;
  store = path.join(directory, `store-${stores}`);
});
after(() => rmSync(directory, { recursive: true, force: true }));

const first = "20261121-00000001";
const second = "20261122-00000002";

function addVersion(name: string, version: string, builtAtMs: number, changes: object = {}): void {
  const place = path.join(store, name, version);
  mkdirSync(path.join(place, "rootfs"), { recursive: true });
  const manifest = {
    name,
    version,
    architecture: "amd64",
    suite: "trixie",
    kernelVersion: "6.12.1",
    kernelArguments: ["quiet"],
    builtAtMs,
    inputsDigest: "abc",
    rootDigest: "def",
    bytes: 12,
    node: { sha256: "0", version: "v26.0.0" },
    packages: { bash: "5.2" },
    ...changes,
  };
  writeFileSync(path.join(place, "manifest.json"), JSON.stringify(manifest));
}

describe("image catalog", () => {
  it("of a store that is not there is empty", () => {
    const catalog = createImageCatalog("/nowhere/images");
    assert.deepEqual(catalog.list(), []);
    assert.equal(catalog.find("debian-13"), undefined);
  });

  it("lists images by name, their newest version first", () => {
    addVersion("debian-13", first, 1);
    addVersion("debian-13", second, 2);
    addVersion("debian-9", first, 5);
    makeCurrent(store, "debian-13", second);
    assert.deepEqual(
      createImageCatalog(store)
        .list()
        .map(({ name, version, current }) => `${name}@${version}${current ? " current" : ""}`),
      [`debian-9@${first}`, `debian-13@${second} current`, `debian-13@${first}`],
    );
  });

  it("gives every path and value of a version", () => {
    addVersion("debian-13", first, 7);
    const place = path.join(store, "debian-13", first);
    assert.deepEqual(createImageCatalog(store).find(`debian-13@${first}`), {
      name: "debian-13",
      version: first,
      architecture: "amd64",
      root: path.join(place, "rootfs"),
      kernel: path.join(place, "vmlinuz"),
      initrd: path.join(place, "initrd.img"),
      kernelVersion: "6.12.1",
      kernelArguments: ["quiet"],
      builtAtMs: 7,
      inputsDigest: "abc",
      current: false,
      bytes: 12,
    });
  });

  it("sees every change at once, of a directory long at rest and of two within one tick of the clock", () => {
    addVersion("debian-13", first, 1);
    addVersion("debian-13", second, 2);
    const catalog = createImageCatalog(store);
    makeCurrent(store, "debian-13", first);
    const longAgo = new Date(Date.now() - 3_600_000);
    utimesSync(path.join(store, "debian-13"), longAgo, longAgo);
    assert.equal(catalog.find("debian-13")?.version, first);
    assert.equal(catalog.find("debian-13")?.version, first);
    for (let change = 0; change < 100; change += 1) {
      const wanted = change % 2 === 0 ? second : first;
      makeCurrent(store, "debian-13", wanted);
      // As a kernel before 6.13 stamps it, and file systems that cannot do better.
      const tick = new Date(Math.floor(Date.now() / 10) * 10);
      utimesSync(path.join(store, "debian-13"), tick, tick);
      assert.equal(catalog.find("debian-13")?.version, wanted, `after change ${change}`);
    }
    utimesSync(path.join(store, "debian-13"), longAgo, longAgo);
    assert.equal(catalog.find(`debian-13@${second}`)?.version, second);
    rmSync(path.join(store, "debian-13", second), { recursive: true });
    assert.equal(catalog.find(`debian-13@${second}`), undefined);
    assert.equal(catalog.find("debian-13")?.version, first);
  });

  it("finds the current version by the name alone", () => {
    addVersion("debian-13", first, 1);
    addVersion("debian-13", second, 2);
    const catalog = createImageCatalog(store);
    assert.equal(catalog.find("debian-13"), undefined, "none is current yet");
    makeCurrent(store, "debian-13", second);
    assert.equal(catalog.find("debian-13")?.version, second);
    makeCurrent(store, "debian-13", first);
    assert.equal(catalog.find("debian-13")?.version, first);
    assert.equal(catalog.find(`debian-13@${second}`)?.current, false);
    assert.equal(readlinkSync(path.join(store, "debian-13/current")), first);
  });

  it("passes over what is no version", () => {
    addVersion("debian-13", first, 1);
    mkdirSync(path.join(store, "lost+found"));
    mkdirSync(path.join(store, ".building-1-2/rootfs"), { recursive: true });
    mkdirSync(path.join(store, "debian-13/20261122-0000000f/rootfs"), { recursive: true });
    mkdirSync(path.join(store, "debian-13/notes"));
    writeFileSync(path.join(store, "debian-13/build.log"), "");
    writeFileSync(path.join(store, "README"), "");
    addVersion("debian-13", "20261123-00000003", 3);
    writeFileSync(path.join(store, "debian-13/20261123-00000003/manifest.json"), '{"name": "debi');
    addVersion("debian-13", "20261124-00000004", 3, { version: first });
    addVersion("debian-13", "20261125-00000005", 3, { architecture: "vax" });
    addVersion("copied", first, 1, { name: "debian-13" });
    assert.deepEqual(
      createImageCatalog(store)
        .list()
        .map(({ name, version }) => `${name}@${version}`),
      [`debian-13@${first}`],
    );
  });

  it("follows no link that leads elsewhere", () => {
    addVersion("debian-13", first, 1);
    symlinkSync("/etc", path.join(store, "debian-13/current"));
    const catalog = createImageCatalog(store);
    assert.equal(catalog.find("debian-13"), undefined);
    for (const reference of ["debian-13@..", "../debian-13", "debian-13@current", ""]) {
      assert.equal(catalog.find(reference), undefined, reference);
    }
  });

  it("sees what a build has added, changed or removed meanwhile", () => {
    addVersion("debian-13", first, 1);
    const catalog = createImageCatalog(store);
    assert.equal(catalog.list().length, 1);
    addVersion("debian-13", second, 2);
    assert.equal(catalog.list().length, 2);
    addVersion("debian-13", second, 2, { kernelArguments: ["quiet", "audit=0"] });
    assert.deepEqual(catalog.find(`debian-13@${second}`)?.kernelArguments, ["quiet", "audit=0"]);
    rmSync(path.join(store, "debian-13", first), { recursive: true });
    assert.equal(catalog.list().length, 1);
  });
});
