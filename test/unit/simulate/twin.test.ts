import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../../server/config/load.ts";
import { renderConfigFile } from "../../../server/config/template.ts";
import { createImageCatalog } from "../../../server/image/versions.ts";
import { parseSubnet, subnetContains, parseIpv4 } from "../../../server/lib/ipv4.ts";
import { writeSyntheticImage } from "../../../server/simulate/synthetic-image.ts";
import { inventedConfig, twinOfConfig } from "../../../server/simulate/twin-config.ts";
import { networkCommands } from "../../../server/simulate/twin-network.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const places = {
  stateDirectory: "/var/lib/provision-simulate-1/state",
  socket: "/var/lib/provision-simulate-1/api.sock",
};

const ours = renderConfigFile({
  interface: "eth1",
  address: "10.0.1.1",
  subnet: "10.0.1.0/24",
  pool: "10.0.1.200-10.0.1.250",
  kernelArguments: ["quiet"],
  nfsBackend: "kernel",
  ports: { http: 8081 },
});

test("a twin's configuration is the head's but for its places and the NFS server", () => {
  const head = parseConfig(ours, "head.yaml");
  const twin = parseConfig(twinOfConfig(ours, places), "twin.yaml");
  assert.deepEqual(twin, { ...head, ...places, nfs: { backend: "none" }, file: "twin.yaml" });
});

test("machines that are made up have a network of their own and the head's other settings", () => {
  const more = {
    ...places,
    sharedDirectory: "/s",
    imageStore: "/i",
    loaderDirectory: "/l",
    image: "debian-13",
  };
  const text = `${ours}\nrouter: 10.0.1.254\ndhcp:\n  mode: proxy\nboot:\n  concurrent: 7\n`;
  const config = parseConfig(inventedConfig(text, more), "twin.yaml");
  assert.deepEqual([config.kernelArguments, config.boot.concurrent, config.ports.http], [["quiet"], 7, 8081]);
  assert.deepEqual([config.nfs.backend, config.imageStore, config.interface], ["none", "/i", "twin0"]);
  assert.deepEqual([config.dhcp.mode, config.networks[0].router], ["server", undefined]);
  assert.equal(parseConfig(inventedConfig(undefined, more), "twin.yaml").interface, "twin0");
});

test("both ends of the cable are born inside, and the head has one next hop for every address of its subnet", () => {
  const [subnet, second] = [parseSubnet("10.0.0.0/23"), parseSubnet("10.9.0.0/24")];
  assert.ok(subnet !== undefined && second !== undefined);
  const commands = networkCommands({
    head: "h",
    machines: "m",
    device: "eth1",
    address: "10.0.0.1",
    subnets: [subnet, second],
  });
  for (const argv of commands) {
    const line = argv.join(" ");
    assert.match(
      line,
      /^ip (?:-n [hm] |netns add [hm]$|link add eth1 netns h type veth peer name eth0 netns m$)/,
      line,
    );
  }
  const routes = commands.flatMap((argv) =>
    argv.includes("route") ? [argv[argv.indexOf("add") + 1] ?? ""] : [],
  );
  assert.deepEqual(routes, ["10.0.0.1/32", "10.0.0.0/24", "10.0.1.0/24", "10.9.0.0/24"]);
  for (const text of ["10.0.0.2", "10.0.1.254"]) {
    const ip = parseIpv4(text);
    assert.ok(
      ip !== undefined && routes.slice(1).some((route) => subnetContains(parseSubnet(route) ?? subnet, ip)),
    );
  }
});

test("a made-up image is one for the store, as large as told", (t) => {
  const store = join(temporaryDirectory(t), "images");
  mkdirSync(store);
  writeSyntheticImage(store, "debian-13", 4_000_001);
  const image = createImageCatalog(store).find("debian-13");
  assert.ok(image !== undefined);
  assert.equal(readFileSync(image.kernel).length + readFileSync(image.initrd).length, 4_000_001);
});
