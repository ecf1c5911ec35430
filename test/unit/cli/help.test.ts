import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Command } from "commander";
import { createProgram } from "../../../server/cli/program.ts";
import type { Surroundings } from "../../../server/cli/run.ts";
import { provision } from "./fake-head.ts";

/** The command line in this process, and what it writes. */
function commandLine(): { program: Command; written: () => string } {
  let text = "";
  const stream = {
    write: (part: string) => {
      text += part;
    },
  };
  const surroundings: Surroundings = {
    streams: { stdin: {}, stdout: stream, stderr: stream },
    env: {},
    checkout: "/nonexistent",
    interrupt: () => assert.fail("help does not take Ctrl-C over"),
    setExitStatus: () => undefined,
  };
  return { program: createProgram(surroundings), written: () => text };
}

function everyCommand(
  command: Command,
  path: readonly string[] = [],
): { path: readonly string[]; command: Command }[] {
  return command.commands.flatMap((child) => {
    const childPath = [...path, child.name()];
    return [{ path: childPath, command: child }, ...everyCommand(child, childPath)];
  });
}

const commands = everyCommand(commandLine().program);

describe("help", { concurrency: 2 }, () => {
  it("of every command that has a file", () => {
    const files = readdirSync(join(import.meta.dirname, "../../../server/cli/commands"));
    const names = commands.filter(({ path }) => path.length === 1).map(({ path }) => `${path[0]}.ts`);
    assert.deepEqual([...names, "lab-machines.ts"].toSorted(), files.toSorted());
  });

  for (const { path } of commands) {
    it(`of ${path.join(" ")}: what it does, every flag and argument explained, examples, exit status`, async () => {
      const { program, written } = commandLine();
      await program.parseAsync(["help", ...path], { from: "user" });
      const help = written();
      const { command } = commands.find((each) => each.path.join() === path.join()) ?? assert.fail();
      assert.match(help, new RegExp(`^Usage: provision ${path.join(" ")}`));
      assert.ok(command.summary().length > 10 && command.description().length > command.summary().length);
      for (const option of command.options) {
        assert.ok(help.includes(option.flags), `${option.flags} is not in the help`);
        assert.ok(option.description.length > 5, `${option.flags} is not explained`);
      }
      for (const argument of command.registeredArguments) assert.ok(argument.description.length > 3);
      if (command.commands.length > 0) return; // its commands have the examples
      assert.match(help, new RegExp(`\\nExamples:\\n( .*)?provision .*${path[0]}`));
      if (path[0] !== "help") {
        assert.match(help, /\nExit status:\n {2}0(?:-254)? +.*\n(?:.*\n)* {2}130 {4}interrupted/);
      }
      for (const line of help.split("\n")) assert.ok(line.length <= 125, line);
    });
  }

  it("offers --json on what reads, --dry-run on what changes", () => {
    const flagsOf = (path: string): readonly string[] =>
      (commands.find((each) => each.path.join(" ") === path) ?? assert.fail(path)).command.options.map(
        ({ long }) => long ?? "",
      );
    for (const name of commands.map(({ path }) => path.join(" "))) {
      const flags = flagsOf(name);
      if (/^(?:list-|show-|events|why|render|status|doctor)/.test(name))
        assert.ok(flags.includes("--json"), name);
      if (/^(?:add-|set-|remove-|init|build-)/.test(name)) assert.ok(flags.includes("--dry-run"), name);
      if (name !== "help" && name !== "lab") assert.ok(flags.includes("--config"), name);
    }
  });

  it("examples use only commands and flags that there are", () => {
    const lines = commands.flatMap(({ command }) => {
      let text = "";
      command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
      return text.slice(text.indexOf("\nExamples:")).split("\n");
    });
    const { program, written } = commandLine();
    program.outputHelp();
    const examples = [...lines, ...written().split("\n")].filter((line) =>
      /^ {2,6}(?:sudo )?provision /.test(line),
    );
    assert.ok(examples.length > 40, `${examples.length}`);
    for (const example of examples) {
      const [typed = ""] = example
        .trim()
        .replace(/^sudo /, "")
        .split(/ \(| \| | -- /);
      const words = typed.split(/\s+/).slice(1);
      const [name = "", second = ""] = words;
      const found =
        commands.find(({ path }) => path.join(" ") === `${name} ${second}`) ??
        commands.find(({ path }) => path.join(" ") === name) ??
        assert.fail(`${example}: there is no ${name}`);
      for (const word of words.filter((each) => each.startsWith("-"))) {
        const flag = word.split("=")[0];
        assert.ok(
          found.command.options.some(({ long, short }) => long === flag || short === flag),
          `${example}: ${name} has no ${flag}`,
        );
      }
    }
  });

  it("provision --help: groups, node ranges, a quick start", async () => {
    const { status, stdout, stderr } = await provision(["--help"]);
    assert.equal(status, 0);
    assert.equal(stderr, "");
    for (const heading of [
      "Set up:",
      "Nodes:",
      "Images:",
      "Look:",
      "Node ranges:",
      "Quick start:",
      "Exit status:",
    ]) {
      assert.ok(stdout.includes(`\n${heading}\n`), heading);
    }
  });

  it("help ranges", async () => {
    const { status, stdout } = await provision(["help", "ranges"]);
    assert.equal(status, 0);
    for (const part of ["n[001-100,205]", "@compute&@gpu", "all,!n[005-006]", "single quotes"]) {
      assert.ok(stdout.includes(part), part);
    }
  });

  it("of something that is not there", async () => {
    const { status, stderr } = await provision(["help", "ad-node"]);
    assert.equal(stderr, "provision: there is no command or topic ad-node\ntry: provision help add-node\n");
    assert.equal(status, 2);
  });
});

describe("wrong usage", { concurrency: 2 }, () => {
  const cases: readonly { words: string[]; stderr: RegExp }[] = [
    { words: [], stderr: /^Usage: provision COMMAND/ },
    { words: ["frobnicate"], stderr: /^provision: unknown command 'frobnicate'\ntry: provision --help\n$/ },
    { words: ["list-node"], stderr: /^provision: unknown command 'list-node'\n\(Did you mean .*list-nodes/ },
    {
      words: ["list-nodes", "--nope"],
      stderr: /^provision: unknown option '--nope'\ntry: provision help list-nodes\n$/,
    },
    {
      words: ["add-node"],
      stderr: /^provision: missing required argument 'names'\ntry: provision help add-node\n$/,
    },
    {
      words: ["list-nodes", "n1", "n2"],
      stderr:
        /^provision: too many arguments.*\ntry: single quotes around a range, or provision help list-nodes\n$/,
    },
    { words: ["list-nodes", "--color", "pink"], stderr: /it takes auto, always, never\./ },
    { words: ["events", "--limit", "-3"], stderr: /it takes a number from 0 to 100000\./ },
    { words: ["build-image", "debian-13", "--architecture", "vax"], stderr: /it takes amd64 or arm64\./ },
    { words: ["completion", "fish"], stderr: /^provision: there is no completion for fish\n/ },
  ];
  for (const { words, stderr: expected } of cases) {
    it(`provision ${words.join(" ")}`, async () => {
      const { status, stdout, stderr } = await provision(words);
      assert.match(stderr, expected);
      assert.equal(stdout, "");
      assert.equal(status, 2);
    });
  }

  it("--version", async () => {
    const { status, stdout } = await provision(["--version"]);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal(status, 0);
  });
});
