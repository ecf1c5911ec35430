import assert from "node:assert/strict";
import { test } from "node:test";
import { option, optionOf } from "../../../server/dhcp/option-table.ts";
import { previewOptions } from "../../../server/dhcp/preview.ts";
import {
  type Ask,
  Scene,
  directoryOf,
  ask,
  brief,
  goldenPacket,
  nodeOf,
  read,
  select,
  siteOf,
} from "../../support/dhcp-scene.ts";

const any: Ask = { mac: "52:54:00:00:00:0a" };

function firmware(vendorClass: string, architecture: number): Ask {
  return {
    ...any,
    options: [optionOf(option.vendorClass, vendorClass), optionOf(option.architectures, [architecture])],
  };
}

for (const [name, loader] of [
  ["edk2-x64-pxe-discover", "boot/52-54-00-00-04-01/loader/snponly.efi"],
  ["edk2-x64-secureboot-discover", "boot/52-54-00-00-05-01/loader/snponly.efi"],
  ["edk2-arm64-pxe-discover", "boot/52-54-00-00-0a-01/loader/ipxe-arm64.efi"],
] as const) {
  test(`${name}: loader by TFTP from the head, complete as a PXE offer`, () => {
    const outcome = new Scene().send(goldenPacket(name));
    const { wire } = outcome;
    assert.ok(outcome.kind === "reply" && wire !== undefined);
    assert.equal(wire.siaddr, "10.77.0.1");
    assert.equal(wire.file, loader);
    assert.equal(read(wire, option.tftpServer), "10.77.0.1");
    assert.equal(Buffer.from(wire.options.get(67) ?? []).toString(), `${loader}\0`);
    assert.equal(read(wire, option.vendorClass), "PXEClient");
    assert.deepEqual([...(wire.options.get(43) ?? [])], [6, 1, 8, 255]);
    assert.equal(wire.options.get(97)?.length, 17);
    assert.equal(outcome.events[0]?.kind === "offered" && outcome.events[0].client, "firmware");
    assert.equal(outcome.events[0]?.kind === "offered" && outcome.events[0].bootFile, loader);
  });
}

test("each node is given the loader that is its own", () => {
  const own = "52:54:00:00:04:01";
  const scene = new Scene({ loaderFor: (node) => (node?.macs.includes(own as never) ? "grub" : "ipxe") });
  scene.nodes.push(nodeOf("n1", "10.77.0.5", [own]));
  const loader = (mac: string): string | undefined =>
    scene.send(ask("DISCOVER", { ...firmware("PXEClient:Arch:00007:UNDI:003016", 7), mac })).wire?.file;
  assert.equal(loader(own), "boot/52-54-00-00-04-01/loader/grubnetx64.efi");
  assert.equal(loader("52:54:00:00:04:02"), "boot/52-54-00-00-04-02/loader/snponly.efi");
});

test("BIOS PXE: undionly.kpxe", () => {
  const { wire } = new Scene().send(ask("DISCOVER", firmware("PXEClient:Arch:00000:UNDI:002001", 0)));
  assert.equal(wire?.file, "boot/52-54-00-00-00-0a/loader/undionly.kpxe");
});

test("UEFI HTTP Boot: class HTTPClient and a URL", () => {
  const { wire } = new Scene().send(goldenPacket("edk2-x64-http-discover"));
  const url = "http://10.77.0.1:8080/boot/52-54-00-00-07-01/loader/snponly.efi";
  assert.equal(read(wire, option.vendorClass), "HTTPClient");
  assert.equal(read(wire, option.bootFile), url);
  assert.equal(wire?.file, url);
  assert.equal(wire?.options.has(43), false);
});

for (const [name, path] of [
  ["ipxe-bios-discover", "52-54-00-00-03-01"],
  ["ipxe-efi-discover", "52-54-00-00-07-01"],
] as const) {
  test(`${name}: its script by HTTP, and no wait for a proxy`, () => {
    const { wire, events } = new Scene().send(goldenPacket(name));
    assert.equal(read(wire, option.bootFile), `http://10.77.0.1:8080/boot/${path}/script.ipxe`);
    assert.equal(wire?.file, `http://10.77.0.1:8080/boot/${path}/script.ipxe`);
    assert.deepEqual([...(wire?.options.get(175) ?? [])], [176, 1, 1]);
    assert.equal(wire?.options.has(60), false, "with PXEClient iPXE would look for a menu");
    assert.equal(events[0]?.kind === "offered" && events[0].client, "ipxe");
  });
}

test("an iPXE without HTTP is given a loader, and is not told about PXE", () => {
  const options = [optionOf(option.userClass, ["iPXE"]), optionOf(option.architectures, [0])];
  const { wire } = new Scene().send(ask("DISCOVER", { ...any, options }));
  assert.equal(wire?.file, "boot/52-54-00-00-00-0a/loader/undionly.kpxe");
  assert.deepEqual([...(wire?.options.get(175) ?? [])], [176, 1, 1]);
  assert.equal(wire?.options.has(60), false);
});

test("the ACK boots the same as the OFFER did", () => {
  const scene = new Scene();
  const asks = firmware("PXEClient:Arch:00007:UNDI:003000", 7);
  const offer = scene.send(ask("DISCOVER", asks));
  const ack = scene.send(select(asks, "10.77.0.200"));
  assert.equal(brief(ack), "ACK 10.77.0.200");
  assert.equal(ack.wire?.file, offer.wire?.file);
  assert.deepEqual([...(ack.wire?.options ?? [])].slice(1), [...(offer.wire?.options ?? [])].slice(1));
});

test("an architecture we have no loader for gets an address, and its want of a loader is told", () => {
  const outcome = new Scene().send(ask("DISCOVER", firmware("PXEClient:Arch:00006:UNDI:003000", 6)));
  assert.equal(brief(outcome), "OFFER 10.77.0.200");
  assert.deepEqual([outcome.wire?.file, outcome.wire?.siaddr], ["", "0.0.0.0"]);
  for (const code of [43, 60, 66, 67]) assert.equal(outcome.wire?.options.has(code), false);
  assert.deepEqual(
    outcome.events.map((event) => (event.kind === "refused" ? event.message : event.kind)),
    ["offered", "there is no loader for uefi-ia32 firmware"],
  );
});

test("unknown machines given an address only are given nothing to boot; nodes still are", () => {
  const scene = new Scene({ unknownMachines: "address" });
  assert.equal(scene.send(goldenPacket("edk2-x64-pxe-discover")).wire?.file, "");
  scene.nodes.push(nodeOf("n001", "10.77.0.11", ["52:54:00:00:04:01"]));
  assert.equal(
    scene.send(goldenPacket("edk2-x64-pxe-discover")).wire?.file,
    "boot/52-54-00-00-04-01/loader/snponly.efi",
  );
});

test("a URL too long for the file field is in option 67 alone", () => {
  const url = `http://10.77.0.1/${"x".repeat(150)}`;
  const urls = { ...siteOf().urls, script: () => url };
  const { wire } = new Scene({ urls }).send(goldenPacket("ipxe-efi-discover"));
  assert.equal(wire?.file, "");
  assert.equal(read(wire, option.bootFile), url);
});

test("every reply to real firmware fits the smallest message any client takes", () => {
  const names = [
    "edk2-x64-pxe-discover",
    "edk2-x64-http-discover",
    "ipxe-bios-discover",
    "ipxe-efi-discover",
  ];
  for (const name of names) {
    const bytes = goldenPacket(name);
    const outcome = new Scene().send(bytes);
    assert.ok(outcome.wire !== undefined && outcome.wire.options.size > 8, name);
  }
});

test("preview: what firmware, iPXE and system of a node would each be given", () => {
  const node = nodeOf("n001", "10.77.0.11", ["52:54:00:00:04:01"]);
  const [first, second, third] = previewOptions(
    node,
    { site: siteOf(), directory: directoryOf([]) },
    "uefi-x64",
  );
  const value = (preview: typeof first, name: string) =>
    preview?.options.find((entry) => entry.name === name)?.value;
  assert.deepEqual([first?.client, second?.client, third?.client], ["firmware", "ipxe", "system"]);
  assert.equal(value(first, "yiaddr"), "10.77.0.11");
  assert.equal(value(first, "boot-file"), '"boot/52-54-00-00-04-01/loader/snponly.efi"');
  assert.equal(value(first, "vendor-options"), "6=08");
  assert.equal(value(second, "boot-file"), '"http://10.77.0.1:8080/boot/52-54-00-00-04-01/script.ipxe"');
  assert.equal(value(third, "boot-file"), undefined);
  assert.equal(value(third, "host-name"), '"n001"');
  assert.equal(value(third, "lease-time"), "3600");
});

test("preview is what the wire carries", () => {
  const node = nodeOf("n001", "10.77.0.11", ["52:54:00:00:04:01"]);
  const scene = new Scene();
  scene.nodes.push(node);
  const { wire } = scene.send(goldenPacket("edk2-x64-pxe-discover"));
  const shown = previewOptions(node, scene.view, "uefi-x64")[0]?.options ?? [];
  const codes = shown.flatMap((entry) => (entry.code === undefined ? [] : [entry.code]));
  const echoed = [97];
  assert.deepEqual(new Set([...codes, ...echoed]), new Set(wire?.options.keys()));
});

test("preview of firmware by HTTP and of firmware without a loader", () => {
  const node = nodeOf("n001", "10.77.0.11", ["52:54:00:00:04:01"]);
  const bootFile = (firmwareName: string) =>
    previewOptions(node, { site: siteOf(), directory: directoryOf([]) }, firmwareName)[0]?.options.find(
      (entry) => entry.name === "boot-file",
    )?.value;
  assert.equal(
    bootFile("uefi-x64-http"),
    '"http://10.77.0.1:8080/boot/52-54-00-00-04-01/loader/snponly.efi"',
  );
  assert.equal(bootFile("uefi-ia32"), undefined);
});
