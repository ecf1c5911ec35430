import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { diskFaults } from "../../../server/boot/head-faults.ts";
import { AppError } from "../../../server/lib/errors.ts";
import { placesOfLoader } from "../../../server/model/arch.ts";
import { openTftp } from "./tftp-scene.ts";

const mac = "52-54-00-00-00-01";

/** The desk looks a thing up once in a turn of the event loop. */
const turn = promisify(setImmediate);

test("a GRUB that has just started is told to run its machine's script for ever", async (t) => {
  const { open } = await openTftp(t);
  const any = (await open("/grub/grub.cfg")) ?? "";
  assert.match(
    any,
    /while true; do\n {2}if ! source \(tftp,127\.0\.0\.1\)\/boot\/\$\{net_default_mac\}\/script\.grub/,
  );
  for (const path of [`/grub/grub.cfg-01-${mac}`, `boot/x/grub.cfg-01-${mac}`]) {
    assert.match((await open(path)) ?? "", new RegExp(`/boot/${mac}/script\\.grub`), path);
  }
  assert.equal(await open("/grub/x86_64-efi/fs.lst"), undefined);
  assert.equal(await open("/grub/grub.cfg.bak"), undefined);
});

test("a GRUB that was fetched by HTTP fetches all the rest so, and is told to wait when the head is busy", async (t) => {
  const rack = await openTftp(t);
  const text = async (path: string): Promise<string> => (await fetch(`${rack.base}${path}`)).text();
  const device = `(http,${rack.base.slice("http://".length)})`;
  for (const path of ["/grub/grub.cfg", "/boot/none/loader/grub.cfg"])
    assert.ok((await text(path)).includes(`source ${device}/boot/\${net_default_mac}/script.grub`), path);
  const own = await text(`/boot/${mac}~n1/loader/grub.cfg`);
  assert.ok(own.includes(`source ${device}/boot/${mac}~n1/script.grub`), own);
  const script = await text("/boot/52:54:00:00:00:01/script.grub");
  const places = [...script.matchAll(/\((?:http|tftp),\S+?(?=[ ;])/g)].map(([place]) => place);
  assert.equal(places.length, 3);
  for (const place of places) {
    assert.ok(place.startsWith(`${device}/boot/${mac}/`), place);
    assert.equal((await fetch(place.replace(device, rack.base))).status, 200, place);
  }
  assert.match(
    rack.desk.putOff(
      { mac: rack.node.macs[0] ?? ("" as never) },
      { dialect: "grub", via: "http", family: "ipv4" },
    ),
    /waits for its turn[^]*\nsleep \d/,
  );
  const before = await text(`/boot/${mac}/script.grub`);
  const peeked = await fetch(`${rack.base}/boot/${mac}/script.grub`, { method: "HEAD" });
  assert.equal(peeked.headers.get("content-length"), String(before.length));
});

test("a node's script names its own files, as GRUB writes them, and what is odd in an argument reaches the kernel", async (t) => {
  const { open, inventory, fetched, events } = await openTftp(t);
  await inventory.setNodes({ range: "n1", kernelArguments: ["quiet", "test=a;b$c'd"] });
  const script = (await open(`/boot/52:54:00:00:00:01/script.grub`)) ?? "";
  assert.match(
    script,
    /^if linux \(tftp,127\.0\.0\.1\)\/boot\/52-54-00-00-00-01\/[0-9a-f]+\/debian-13\/20260101-00000000\/kernel root=/m,
  );
  assert.ok(script.includes(String.raw`quiet 'test=a;b$c'\''d' BOOTIF=01-${mac}`), script);
  const [kernel = "", initrd = "", overlay = ""] = [
    ...script.matchAll(/\(tftp,[\d.]+\)(\/boot\S+?)(?=[ ;])/g),
  ].map((match) => match[1]);
  assert.match((await open(kernel)) ?? "", /vmlinuz$/);
  assert.match((await open(initrd)) ?? "", /initrd\.img$/);
  assert.match((await open(overlay)) ?? "", /^token /);
  for (const path of [kernel, initrd, overlay]) fetched(path, 5, 7);
  assert.deepEqual(
    events.map((event) => ("via" in event ? `${event.kind} ${event.via}` : event.kind)),
    ["kernel tftp", "initrd tftp", "overlay tftp"],
  );
  await open(`/boot/${mac}/script.grub`);
  await assert.rejects(open(kernel), (error) => error instanceof AppError && error.code === "not-found");
});

test("kernel and initrd by TFTP are of the image version of the script, and that is said when it is gone", async (t) => {
  const { open, images, image, files, events } = await openTftp(t);
  const script = (await open(`/boot/${mac}/script.grub`)) ?? "";
  const kernel = /linux \(tftp,[\d.]+\)(\S+)/.exec(script)?.[1] ?? "";
  const built = { ...image, version: "20260102-00000000", kernel: join(files, "newer") };
  images.set("debian-13", built).set("kept", image);
  await turn();
  assert.match(
    (await open(kernel)) ?? "",
    /vmlinuz$/,
    "a build in the middle of a boot changes nothing for it",
  );
  const again = /linux \(tftp,[\d.]+\)(\S+)/.exec((await open(`/boot/${mac}/script.grub`)) ?? "")?.[1] ?? "";
  assert.match(again, /\/20260102-00000000\/kernel$/);
  images.set("debian-13", image);
  await assert.rejects(open(again), /debian-13@20260102-00000000, with which this boot began, is no longer/);
  const refused = events.at(-1);
  assert.ok(refused?.kind === "refused" && refused.step === "kernel" && /20260102/.test(refused.message));
});

test("a stranger's GRUB says how to add the machine, and comes back", async (t) => {
  const { open } = await openTftp(t);
  const script = (await open("/boot/52-54-00-00-99-99/script.grub")) ?? "";
  assert.match(script, /provision add-node NAME --from-discovered 52:54:00:00:99:99/);
  assert.match(script, /^sleep \d+$/m);
});

test("whatever is told, a GRUB never reaches a prompt: each script only prints, loads, boots and sleeps", async (t) => {
  const rack = await openTftp(t);
  const told = [
    await rack.open(`boot/${mac}/script.grub`),
    await rack.open("boot/52-54-00-00-99-99/script.grub"),
  ];
  rack.images.clear();
  told.push(await rack.open(`boot/${mac}/script.grub`));
  for (const script of told) {
    for (const line of (script ?? "").split("\n")) {
      assert.match(line, /^\s*(?:#.*|echo ".*"|sleep \d+|if (?:linux|initrd) .*; then|boot|fi|)$/, line);
    }
  }
});

test("why misses nothing of shim where the site's own directory has it, and names the package where nothing has", async (t) => {
  const { desk, node, files } = await openTftp(t);
  const loaderFaults = (): string[] =>
    diskFaults(desk.planOf(node), [files], "shim").flatMap(({ stops, message, fix }) =>
      stops === "loader" ? [`${message}: ${fix}`] : [],
    );
  writeFileSync(join(files, "undionly.kpxe"), "iPXE");
  const here = ["shimx64.efi", "grubx64.efi"].map((file) => placesOfLoader(file, []).at(-1) ?? assert.fail());
  const expected = here.flatMap(({ directory, file }, index) => {
    if (existsSync(join(directory, file))) return [];
    const [name, debianPackage] =
      index === 0 ? ["shimx64", "shim-signed"] : ["grubx64", "grub-efi-amd64-signed"];
    return [`the boot loader ${join(files, `${name}.efi`)} is missing: apt-get install ${debianPackage}`];
  });
  assert.deepEqual(loaderFaults(), expected);
  for (const name of ["shimx64.efi", "grubx64.efi"]) writeFileSync(join(files, name), "signed");
  assert.deepEqual(loaderFaults(), []);
});

test("why looks for a loader in every directory that one is served from", async (t) => {
  const { desk, node, files } = await openTftp(t);
  const missing = (places: readonly string[]): string[] =>
    diskFaults(desk.planOf(node), places, "grub").flatMap(({ stops, message }) =>
      stops === "loader" ? [message] : [],
    );
  const [bios, grub] = ["undionly.kpxe", "grubnetx64.efi"].map(
    (file) => `the boot loader ${join(files, file)} is missing`,
  );
  assert.deepEqual(missing([files]), [bios, grub]);
  const other = join(files, "other");
  mkdirSync(other);
  writeFileSync(join(other, "grubnetx64.efi"), "GRUB");
  assert.deepEqual(missing([files, other]), [bios]);
});
