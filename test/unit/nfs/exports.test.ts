import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../../../server/lib/errors.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import { exportFaults, exportsOf, rootMount, sharedMount } from "../../../server/nfs/exports.ts";

const config = {
  address: "10.0.1.1" as Ipv4,
  networks: [{ subnet: { base: "10.0.1.0" as Ipv4, bits: 24 } }],
  imageStore: "/var/lib/provision/images",
  sharedDirectory: "/srv/shared/",
  stateDirectory: "/var/lib/provision/state",
  ports: { dhcp: 67, bootServer: 4011, tftp: 69, http: 8080, nfs: 2049 },
};

describe("exports", () => {
  it("are the image store, read-only, and the shared directory, where root is nobody", () => {
    assert.deepEqual(exportsOf(config), {
      address: "10.0.1.1",
      port: 2049,
      subnets: [{ base: "10.0.1.0", bits: 24 }],
      images: { path: "/var/lib/provision/images", access: "ro", trustRoot: true },
      shared: { path: "/srv/shared", access: "rw", trustRoot: false },
    });
  });

  it("are mounted by their real paths", () => {
    const exports = exportsOf(config);
    assert.deepEqual(rootMount(exports, "/var/lib/provision/images/debian-13/20260101-0a1b2c3d/rootfs"), {
      source: "10.0.1.1:/var/lib/provision/images/debian-13/20260101-0a1b2c3d/rootfs",
      options: "ro,vers=4.1",
    });
    assert.deepEqual(sharedMount(exports), {
      source: "10.0.1.1:/srv/shared",
      options: "rw,nosuid,nodev,vers=4.1",
    });
  });

  it("tell the client of a port that is not NFS's own", () => {
    const exports = exportsOf({ ...config, ports: { ...config.ports, nfs: 12049 } });
    assert.equal(sharedMount(exports).options, "rw,nosuid,nodev,vers=4.1,port=12049");
    assert.equal(rootMount(exports, "/var/lib/provision/images/a").options, "ro,vers=4.1,port=12049");
  });

  it("hold no root directory from outside the store", () => {
    const exports = exportsOf(config);
    for (const outside of ["/etc", "/var/lib/provision/images-of-others/a", "/var/lib/provision"]) {
      assert.throws(() => rootMount(exports, outside), AppError);
    }
  });
});

describe("faults of exports", () => {
  const placesOf = (changes: Partial<typeof config>): string[] =>
    exportFaults({ ...config, ...changes }).map((fault) => fault.place);

  it("are none in the usual case, nor with the image store inside the state directory", () => {
    assert.deepEqual(placesOf({}), []);
    assert.deepEqual(placesOf({ stateDirectory: "/var/lib/provision" }), []);
  });

  it("are all reported at once", () => {
    assert.deepEqual(placesOf({ imageStore: "images", sharedDirectory: "/srv/a b" }), [
      "imageStore",
      "sharedDirectory",
    ]);
    assert.throws(
      () => exportsOf({ ...config, imageStore: "images", sharedDirectory: "/srv/a b" }),
      (error) => error instanceof AppError && error.code === "invalid" && error.faults.length === 2,
    );
  });

  for (const path of ["relative", "/", "//", "/a:b", '/a"b', "/a,b", "/a/../b", "/a//b", "/a/.", "/ü"]) {
    it(`include the path ${path}`, () => {
      assert.deepEqual(placesOf({ imageStore: path }).slice(0, 1), ["imageStore"]);
    });
  }

  it("include directories that contain one another", () => {
    assert.deepEqual(placesOf({ sharedDirectory: "/var/lib/provision/images/shared" }), ["sharedDirectory"]);
    assert.deepEqual(placesOf({ imageStore: "/srv/shared/images" }), ["sharedDirectory"]);
    assert.deepEqual(placesOf({ imageStore: "/srv/shared" }), ["sharedDirectory"]);
    assert.deepEqual(placesOf({ imageStore: "/srv/shared-images" }), []);
  });

  it("include an export that shows the state directory", () => {
    assert.deepEqual(placesOf({ stateDirectory: "/srv/shared/state" }), ["sharedDirectory"]);
    assert.deepEqual(placesOf({ stateDirectory: "/var/lib/provision/images" }), ["imageStore"]);
  });

  it("leave no path that would need quoting on a kernel command line", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (exportFaults({ ...config, imageStore: `/${text}` }).length > 0) return;
        assert.match(`/${text}`, /^[^\s"':,;=#\\]+$/);
      }),
    );
  });
});
