import assert from "node:assert/strict";
import { test } from "node:test";
import { parseArguments } from "../../bench/arguments.ts";
import { suites } from "../../bench/report.ts";

test("without words everything is measured in full", () => {
  assert.deepEqual(parseArguments([]), { kind: "run", run: { only: suites, quick: false, json: false } });
});

test("suites run in their own order, however they are named", () => {
  for (const words of [
    ["--only", "tftp,dhcp", "--quick", "--json"],
    ["--json", "--quick", "--only=tftp,dhcp"],
  ]) {
    const run = { only: ["dhcp", "tftp"], quick: true, json: true };
    assert.deepEqual(parseArguments(words), { kind: "run", run });
  }
});

test("every fault is told at once", () => {
  assert.deepEqual(parseArguments(["--fast", "--only", "dhcp,ftp"]), {
    kind: "faults",
    faults: ["there is no option --fast", "there is no suite ftp"],
  });
  assert.equal(parseArguments(["--only"]).kind, "faults");
});

test("help wins", () => {
  assert.deepEqual(parseArguments(["--only", "ftp", "--help"]), { kind: "help" });
});
