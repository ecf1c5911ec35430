import assert from "node:assert/strict";
import { test } from "node:test";
import { promisify } from "node:util";
import { openTftp } from "./tftp-scene.ts";

const mac = "52-54-00-00-00-01";
const beside = `boot/${mac}/loader/pxelinux.cfg`;

/** What a label of a configuration says, by its words. */
function labelOf(config: string, label: string): Map<string, string> {
  const [, text = ""] = config.split(`LABEL ${label}\n`);
  const lines =
    text
      .split(/\nLABEL /)[0]
      ?.trim()
      .split("\n") ?? [];
  return new Map(lines.map((line) => [line.replace(/ .*/, ""), line.replace(/^\S+ /, "")]));
}

const pathOf = (url: string): string => new URL(url).pathname;

test("the PXELINUX that we name is told its machine's boot by the first name it tries, and takes the files by HTTP", async (t) => {
  const { open, inventory, base } = await openTftp(t);
  await inventory.setNodes({ range: "n1", kernelArguments: ["quiet", "test=a;b$c"] });
  const config = (await open(`${beside}/4c4c4544-0000-2010-8020-80c04f202020`)) ?? "";
  const boot = labelOf(config, "boot");
  assert.match(config, /^DEFAULT boot$/m);
  assert.match(boot.get("APPEND") ?? "", new RegExp(`^root=.* quiet test=a;b\\$c BOOTIF=01-${mac}$`));
  const urls = [boot.get("LINUX") ?? "", ...(boot.get("INITRD") ?? "").split(",")];
  assert.equal(urls.length, 3);
  for (const url of urls) {
    assert.ok(url.startsWith(`${base}/boot/${mac}/`), url);
    assert.equal((await fetch(url)).status, 200, url);
  }
});

test("one that came from elsewhere is known by its port, and takes everything by TFTP", async (t) => {
  const { open, fetched, events } = await openTftp(t);
  const config = (await open(`/pxelinux.cfg/01-${mac}`)) ?? "";
  const boot = labelOf(config, "boot");
  const urls = [boot.get("LINUX") ?? "", ...(boot.get("INITRD") ?? "").split(",")];
  assert.ok(
    urls.every((url) => url.startsWith("tftp://127.0.0.1/boot/")),
    urls.join(" "),
  );
  const files = await Promise.all(urls.map((url) => open(pathOf(url))));
  assert.match(files.join(" "), /vmlinuz file .*initrd\.img token /);
  for (const url of urls) fetched(pathOf(url), 5, 7);
  assert.deepEqual(
    events.map((event) => ("via" in event ? `${event.kind} ${event.via}` : event.kind)),
    ["kernel tftp", "initrd tftp", "overlay tftp"],
  );
  for (const name of ["4c4c4544-0000-2010-8020-80c04f202020", "0A4D0001", "0A4D", "default", "01-52-54"])
    assert.equal(await open(`pxelinux.cfg/${name}`), undefined, name);
});

test("whatever it is told, it comes back for the same machine in the same way, and waits in between", async (t) => {
  const { open, images } = await openTftp(t);
  const stranger = "52-54-00-00-99-99";
  const guest = "52-54-00-00-88-88~n1";
  for (const [start, again] of [
    [`boot/${guest}/loader/pxelinux.cfg/01-x`, `tftp://127.0.0.1/boot/${guest}/loader/pxelinux.cfg/again`],
    [`pxelinux.cfg/01-${mac}`, `tftp://127.0.0.1/boot/${mac}/pxelinux.cfg/again`],
  ] as const) {
    const config = (await open(start)) ?? "";
    assert.equal(labelOf(config, "again").get("CONFIG"), again);
    assert.match(config, /^ONTIMEOUT again$/m);
    assert.match((await open(pathOf(again))) ?? "", /^DEFAULT boot$/m);
  }
  const unknown = (await open(`pxelinux.cfg/01-${stranger}`)) ?? "";
  assert.match(unknown, /^SAY .*provision add-node NAME --from-discovered 52:54:00:00:99:99$/m);
  images.clear();
  await promisify(setImmediate)();
  const told = [unknown, (await open(`${beside}/again`)) ?? ""];
  assert.match(told[1] ?? "", /^SAY .*provision build-image debian-13$/m);
  for (const config of told) {
    assert.match(config, /^DEFAULT again$/m);
    assert.match(config, /^TIMEOUT [1-9]\d+$/m);
    assert.match(config, /^TOTALTIMEOUT \d+$/m);
    // Nor is there a wait with it: PXELINUX leaves its prompt out.
    assert.doesNotMatch(config, /NOESCAPE/);
    assert.match(labelOf(config, "again").get("CONFIG") ?? "", /\/pxelinux\.cfg\/again$/);
  }
});
