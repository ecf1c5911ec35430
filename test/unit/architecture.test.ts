import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");

/** What each room may import besides itself. Imports point inward; protocol rooms do not know one another. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "server/lib": [],
  "server/model": ["server/lib", "agent/contract"],
  "server/config": ["server/lib", "server/model", "server/dhcp/option-text"],
  "server/net": ["server/lib"],
  "server/template": ["server/lib"],
  "server/inventory": [
    "server/lib",
    "server/model",
    "server/dhcp/option-text",
    "server/inventory/migrations",
    "agent/contract",
  ],
  agent: ["agent/contract"],
  "server/tracker": ["server/lib", "server/model", "agent/contract"],
  "server/dhcp": ["server/lib", "server/model", "server/config", "server/net"],
  "server/dhcp6": ["server/lib", "server/model", "server/net"],
  "server/tftp": ["server/lib", "server/net"],
  "server/boot": ["server/lib", "server/model", "server/template"],
  "server/nodeconfig": ["server/lib", "server/model", "server/template"],
  "server/nfs": ["server/lib", "server/config", "server/net"],
  "server/image": ["server/lib", "server/model"],
  "server/http": [
    "server/lib",
    "server/model",
    "server/net",
    "server/boot",
    "server/inventory",
    "server/tracker",
    "server/dhcp/option-text",
    "agent/contract",
  ],
  "server/doctor": [
    "server/lib",
    "server/model",
    "server/config",
    "server/net",
    "server/image",
    "server/inventory",
    "server/nfs",
  ],
  "server/system": ["server/lib", "server/model"],
  "server/simulate": [
    "server/lib",
    "server/model",
    "server/config",
    "server/net",
    "server/system",
    "server/dhcp",
    "server/tftp",
    "agent/contract",
  ],
  "server/lab": ["server/lib", "server/model", "server/config", "server/net", "server/system"],
};

/** Rooms that put the others together. */
const composers = new Set(["server", "server/cli", "server/cli/commands"]);

/** Rooms that decide and never do: no file of theirs touches the machine. */
const pureRooms = new Set(["server/lib", "server/model"]);

/** In a protocol room only these touch the machine (sockets, disks, processes, clocks of their own). */
const ioModules =
  /^node:(?:fs|fs\/promises|net|dgram|http|child_process|sqlite|os|ffi|timers\/promises)$|^(?:execa|express)$/;
const ioFiles: Readonly<Record<string, readonly string[]>> = {
  "server/dhcp": [],
  "server/dhcp6": ["server.ts"],
  "server/tracker": [],
  "server/boot": ["confined-file.ts", "grub-image.ts", "head-faults.ts"],
  "server/config": ["load.ts", "machine.ts"],
  "server/inventory": ["backups.ts", "database.ts", "durable-writer.ts", "sqlite-dialect.ts"],
  "server/simulate": [
    "addresses.ts",
    "process-cost.ts",
    "simulate.ts",
    "synthetic-image.ts",
    "tftp-port.ts",
    "twin.ts",
    "walker.ts",
    "wires.ts",
  ],
};

type Source = { file: string; room: string; text: string; imports: string[] };

const sources: Source[] = ["server", "agent"].flatMap((top) =>
  globSync("**/*.ts", { cwd: join(root, top) }).map((name) => {
    const file = join(top, name);
    const text = readFileSync(join(root, file), "utf8");
    const imports = [
      ...text.matchAll(/(?:^|\n)(?:import|export)[^;]*?from "(?<from>[^"]+)"|import\("(?<dynamic>[^"]+)"\)/g),
    ].map((match) => match.groups?.["from"] ?? match.groups?.["dynamic"] ?? "");
    return { file, room: dirname(file), text, imports };
  }),
);

/**
 * `server/lib`, or a place of its own in the rules: the one file of the agent that others import, and the words of DHCP
 * options, which the configuration and the inventory read and print.
 */
function placeOf(source: Source, specifier: string): string {
  const target = relative(root, join(root, source.room, specifier));
  if (target === "agent/contract.ts") return "agent/contract";
  return target === "server/dhcp/option-text.ts" ? "server/dhcp/option-text" : dirname(target);
}

test("there is something to look at", () => {
  assert.ok(sources.length > 50, `${sources.length} files`);
  assert.ok(sources.flatMap((source) => source.imports).length > 200);
});

test("imports point inward, and protocol rooms do not know one another", () => {
  const wrong = sources.flatMap((source) => {
    if (composers.has(source.room)) return [];
    return source.imports
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => placeOf(source, specifier))
      .filter((place) => place !== source.room && !(mayImport[source.room] ?? []).includes(place))
      .map((place) => `${source.file} imports ${place}`);
  });
  assert.deepEqual(wrong, []);
});

test("the words of DHCP options need nothing of the server that speaks them", () => {
  const words = new Set(["option-text.ts", "option-table.ts", "option-values.ts", "domain-names.ts"]);
  const wrong = sources
    .filter(({ room, file }) => room === "server/dhcp" && words.has(file.slice("server/dhcp/".length)))
    .flatMap(({ file, imports }) =>
      imports
        .filter((specifier) => !/^\.\.\/(?:lib|model)\//.test(specifier) && !words.has(specifier.slice(2)))
        .map((specifier) => `${file} imports ${specifier}`),
    );
  assert.deepEqual(wrong, []);
});

test("the agent imports nothing from outside itself but Node", () => {
  const foreign = sources
    .filter((source) => source.room === "agent")
    .flatMap((source) =>
      source.imports
        .filter((specifier) => !/^\.\/[^/]+\.ts$|^node:/.test(specifier))
        .map((specifier) => `${source.file}: ${specifier}`),
    );
  assert.deepEqual(foreign, []);
});

test("every room has its rule", () => {
  const rooms = new Set(
    sources
      .map((source) => source.room)
      .filter((room) => room.startsWith("server") && room !== "server/inventory/migrations"),
  );
  assert.deepEqual(
    [...rooms].filter((room) => !composers.has(room) && mayImport[room] === undefined),
    [],
  );
});

test("what decides does not do: input and output stay in the files named for it", () => {
  const wrong = sources.flatMap((source) => {
    const allowed = pureRooms.has(source.room) ? [] : ioFiles[source.room];
    if (allowed === undefined || allowed.includes(source.file.slice(source.room.length + 1))) return [];
    return source.imports
      .filter((specifier) => ioModules.test(specifier))
      .map((specifier) => `${source.file} imports ${specifier}`);
  });
  assert.deepEqual(wrong, []);
});

test("only the process and the command line read the environment or end the process", () => {
  const wrong = sources
    .filter(
      (source) =>
        source.file !== "server/main.ts" &&
        source.file !== "server/simulate/walker.ts" && // a process of its own
        !source.file.startsWith("server/cli/") &&
        source.file !== "agent/main.ts",
    )
    .filter((source) => /process\.(?:env\b|exit\()/.test(source.text.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "")))
    .map((source) => source.file);
  assert.deepEqual(wrong, []);
});

test("no barrels, no catch-alls, no file over 300 lines, no folder deeper than two below server", () => {
  const wrong = sources.flatMap(({ file, room, text }) => [
    ...(/^export \* from/m.test(text) ? [`${file} is a barrel`] : []),
    ...(/\/(?:utils?|helpers|misc|common)\.ts$/.test(file) && file !== "server/template/quoting.ts"
      ? [`${file} is a catch-all`]
      : []),
    ...(text.split("\n").length > 301 ? [`${file} has over 300 lines`] : []),
    ...(room.split("/").length > 3 ? [`${file} lies too deep`] : []),
  ]);
  assert.deepEqual(wrong, []);
});
