import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { BootFailure, type Effect, type Event } from "../../../server/simulate/effects.ts";
import { runScripts } from "../../../server/simulate/ipxe.ts";
import { parseScript } from "../../../server/simulate/ipxe-script.ts";
import { createTemplates } from "../../../server/template/engine.ts";
import { drive, failureOf, machineOf, textReply } from "../../support/walk-scene.ts";

const templates = createTemplates(join(import.meta.dirname, "../../../templates/ipxe"));
const base = "http://10.77.0.1:8080";
const scriptUrl = `${base}/boot/script.ipxe`;

const bootScript = templates.render("boot.ipxe", {
  head: base,
  scriptUrl,
  mac: "52:54:00:00:04:01",
  seconds: 5,
  node: "n001",
  image: "debian-13@1",
  kernelUrl: `${base}/kernel`,
  initrdUrl: `${base}/initrd`,
  overlayUrl: `${base}/overlay`,
  arguments: "root=nfs4:10.77.0.1:/images:ro BOOTIF=01-52-54-00-00-04-01",
});

/** Answers by URL; a list is given away one by one, the last for ever. */
function web(pages: Record<string, Event | Event[]>): (effect: Effect) => Event | undefined {
  return (effect) => {
    if (effect.kind !== "http") return undefined;
    const page = pages[effect.request.url.slice(base.length)];
    if (page === undefined) return textReply("not found", 404);
    if (!Array.isArray(page)) return page;
    return page.length > 1 ? page.shift() : page[0];
  };
}

const files = { "/kernel": textReply("k".repeat(1000)), "/initrd": textReply("i".repeat(3000)) };
const sleeps = (effects: readonly Effect[]): number[] =>
  effects.flatMap((effect) => (effect.kind === "pause" ? [effect.ms] : []));

test("the boot script is followed to the kernel, with its command line and every initrd", () => {
  const { result, effects } = drive(
    runScripts(machineOf("bios"), scriptUrl),
    web({ ...files, "/boot/script.ipxe": textReply(bootScript), "/overlay": textReply("archive") }),
  );
  assert.equal(
    result.commandLine,
    "initrd=initrd.img initrd=overlay.img root=nfs4:10.77.0.1:/images:ro BOOTIF=01-52-54-00-00-04-01",
  );
  assert.deepEqual(result.kernel.bytes, 1000);
  assert.deepEqual(
    result.initrds.map(({ name, bytes }) => [name, bytes]),
    [
      ["initrd.img", 3000],
      ["overlay.img", 7],
    ],
  );
  const phases = effects.flatMap((effect) => (effect.kind === "phase" ? [effect.phase] : []));
  assert.deepEqual(phases, ["script", "kernel", "initrd", "overlay"]);
});

test("a script that makes the machine wait and ask again is obeyed, until the head has something else to say", () => {
  const busy = textReply(
    `#!ipxe\necho busy, come again\nsleep 7\nchain --replace ${scriptUrl} || goto nowhere\n`,
  );
  const { effects } = drive(
    runScripts(machineOf("bios"), scriptUrl),
    web({ ...files, "/boot/script.ipxe": [busy, busy, textReply(bootScript)], "/overlay": textReply("a") }),
  );
  assert.deepEqual(sleeps(effects), [7000, 7000]);
});

test("patience ends with what the machine was told last", () => {
  const wait = templates.render("wait.ipxe", { head: base, scriptUrl, mac: "52:54:00:00:04:01", seconds: 5 });
  const failure = failureOf(() =>
    drive(
      runScripts(machineOf("bios", { patienceMs: 12_000 }), scriptUrl),
      web({ "/boot/script.ipxe": textReply(wait) }),
    ),
  );
  assert.ok(failure instanceof BootFailure);
  assert.match(failure.message, /52:54:00:00:04:01 is not in the inventory.*add-node/);
  assert.match(failure.message, /waited for 10 s/);
});

test("a file that cannot be had goes the script's own way round, or ends the walk of one that is to stop there", () => {
  const pages = (): Record<string, Event | Event[]> => ({
    "/boot/script.ipxe": textReply(bootScript),
    "/kernel": [textReply("the image is gone\n", 404), textReply("k")],
    "/initrd": textReply("i"),
    "/overlay": textReply("a"),
  });
  const patient = drive(runScripts(machineOf("bios"), scriptUrl), web(pages()));
  assert.deepEqual(sleeps(patient.effects), [10_000]);
  const failure = failureOf(() =>
    drive(runScripts(machineOf("bios", { firstFailureEnds: true }), scriptUrl), web(pages())),
  );
  assert.match(String(failure), /kernel: HTTP status 404: the image is gone/);
});

test("a file that comes short is no file", () => {
  const short: Event = { kind: "http", status: 200, lengthBytes: 100, bytes: 60, body: new Uint8Array() };
  const failure = failureOf(() =>
    drive(
      runScripts(machineOf("bios", { firstFailureEnds: true }), scriptUrl),
      web({ "/boot/script.ipxe": textReply(bootScript), "/kernel": short }),
    ),
  );
  assert.match(String(failure), /60 bytes came of 100/);
});

test("without files only the overlay is fetched, since the node's token is in it", () => {
  const asked: string[] = [];
  const answer = web({ ...files, "/boot/script.ipxe": textReply(bootScript), "/overlay": textReply("a") });
  drive(runScripts(machineOf("bios", { files: false }), scriptUrl), (effect) => {
    if (effect.kind === "http")
      asked.push(`${effect.request.method} ${effect.request.url.slice(base.length)}`);
    return answer(effect);
  });
  assert.deepEqual(asked, ["GET /boot/script.ipxe", "HEAD /kernel", "HEAD /initrd", "GET /overlay"]);
});

const wrong: readonly (readonly [string, string, RegExp])[] = [
  ["no script at all", "<html>", /no iPXE script/],
  [
    "a command that is not simulated",
    "#!ipxe\necho hello\nsanboot x\n",
    /line 3 .* not simulated: sanboot x/,
  ],
  ["a setting", "#!ipxe\nkernel ${base}/kernel\n", /line 2 .* uses a setting/],
  ["a label that is not there", "#!ipxe\ngoto away\n", /line 2 .* no label :away/],
  ["no time to sleep", "#!ipxe\nsleep soon\n", /line 2 .* how long to sleep/],
  ["an option that is not known", "#!ipxe\nkernel --timeout 5 x\n", /--timeout` is not simulated/],
  ["nothing to fetch", "#!ipxe\nkernel --name x\n", /names nothing to fetch/],
  ["booting without a kernel", "#!ipxe\nboot\n", /without having loaded a kernel/],
  ["an end without a boot", "#!ipxe\necho done\n", /ends without booting/],
  ["circles", "#!ipxe\n:a\ngoto a\n", /round in circles/],
  ["circles without sleep", "#!ipxe\n:a\nsleep 0\ngoto a\n", /round in circles/],
  ["circles over the wire", `#!ipxe\nchain ${scriptUrl}\n`, /round in circles/],
  ["a failure that nobody catches", `#!ipxe\nkernel ${base}/none\n`, /stops at line 2, .*HTTP status 404/],
];
for (const [what, text, message] of wrong) {
  test(`a script with ${what} ends in words, with its line`, () => {
    const failure = failureOf(() =>
      drive(runScripts(machineOf("bios"), scriptUrl), web({ "/boot/script.ipxe": textReply(text) })),
    );
    assert.ok(failure instanceof BootFailure, String(failure));
    assert.match(failure.message, message);
  });
}

test("whatever a script says, a walk ends by booting or by its own error", () => {
  const words = fc.constantFrom(
    ..."#!ipxe echo goto :a a :b b sleep 1 0 imgfree kernel initrd chain boot --name --replace || && # ${x} ! \\ http://10.77.0.1:8080/kernel http://10.77.0.1:8080/boot/script.ipxe".split(
      " ",
    ),
  );
  const line = fc.array(words, { maxLength: 6 }).map((list) => list.join(" "));
  const script = fc.array(line, { maxLength: 12 }).map((lines) => ["#!ipxe", ...lines].join("\n"));
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: script }, fc.string()), (text) => {
      try {
        drive(
          runScripts(machineOf("bios"), scriptUrl),
          web({ ...files, "/boot/script.ipxe": textReply(text) }),
        );
      } catch (error) {
        assert.ok(error instanceof BootFailure, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test("every template of ours is understood", () => {
  assert.equal(parseScript(bootScript).labels.size, 2);
  const text = templates.render("no-image.ipxe", {
    head: base,
    scriptUrl,
    mac: "x",
    seconds: 5,
    node: "n001",
    image: "debian-13",
    imageName: "debian-13",
  });
  assert.ok(parseScript(text).lines.length > 3);
});
