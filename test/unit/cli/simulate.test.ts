import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createSimulationDisplay, describeSimulation } from "../../../server/cli/simulate-report.ts";
import { createTerminal } from "../../../server/cli/terminal.ts";
import { reportOf } from "../../../server/simulate/report.ts";
import type { WalkOutcome } from "../../../server/simulate/spec.ts";
import { headDirectory, provision } from "./fake-head.ts";

const wrong: readonly (readonly [string, RegExp])[] = [
  ["", /one of: a node or a range, --inventory, --nodes/],
  ["n001 --nodes 5", /one of: a node or a range, --inventory, --nodes/],
  ["n001 --file-size 1M", /--file-size: nodes of the inventory boot their own images/],
  ["--nodes 5 --interface eth0", /--interface: machines are named by their MAC addresses/],
  ["--nodes 5 --firmware floppy", /it takes bios, uefi, http/],
  ["--nodes 5 --arrival soon", /all, or poisson:RATE/],
  ["--nodes 5 --pace fast", /a number from 0 to 100/],
  ["--nodes 5 --file-size 1T", /a size such as 48M/],
  ["--nodes 0", /a whole number from 1 to 60000/],
];

describe("simulate", () => {
  for (const [line, message] of wrong) {
    it(`refuses ${JSON.stringify(line)} and says what it takes`, async (context) => {
      const { config } = headDirectory(context);
      const words = line === "" ? [] : line.split(" ");
      const outcome = await provision(["simulate", "--config", config, ...words]);
      assert.equal(outcome.status, 2, outcome.stderr);
      assert.match(outcome.stderr, message);
    });
  }

  const outcome: WalkOutcome = {
    name: "n1",
    firmware: "bios",
    phase: "kernel",
    failure: { message: "no kernel\u001b[2J", hint: "build one" },
    phaseMs: { address: 3, kernel: 2000 },
    toldMs: 0,
    totalMs: 5000,
    bytes: 10,
    repeats: 1,
  };

  it("says in words what failed, where, and what to do", () => {
    const { terminal } = screen();
    const report = reportOf({
      outcomes: [outcome],
      seed: 1,
      durationMs: 5000,
      walkerCpuMs: 1,
      notes: ["odd"],
    });
    const text = describeSimulation(
      {
        report,
        why: {
          subject: "n1",
          phase: "script",
          summary: "it stands",
          steps: [],
          findings: [],
          tryNext: ["this"],
        },
      },
      terminal,
    );
    assert.match(text, /0 of 1 machine up/);
    assert.match(text, /failed at kernel: n1\n {4}no kernel\?\[2J\n {4}try: build one/);
    assert.match(text, /the head says: it stands\n {4}try: this/);
    assert.match(text, /note: odd/);
  });

  it("shows packets as they come, and lets none of them steer the terminal", () => {
    const { terminal, written } = screen();
    const display = createSimulationDisplay(terminal, false);
    const entry = { mark: ">", title: "DHCP\u001b[2J", text: "a\tb\u0007\n" } as const;
    display.heard({ line: "entry", atMs: 1500, phase: "address", entry }, 1);
    display.end();
    assert.equal(written(), "   1.500 > DHCP?[2J\n             a  b?\n");
    createSimulationDisplay(terminal, true).heard({ line: "entry", atMs: 0, phase: "address", entry }, 1);
    assert.equal(written().split("\n").length, 3);
  });

  it("tells how far many machines are: every ten seconds where no terminal is, and not beside JSON", () => {
    const progress = { line: "progress", started: 2, phases: { address: 2, up: 1 } } as const;
    const walk = (json: boolean): string => {
      const { terminal, written } = screen();
      let nowMs = 0;
      const display = createSimulationDisplay(terminal, json, { nowMs: () => nowMs });
      display.say("making a twin");
      for (; nowMs <= 20_000; nowMs += 250) {
        if (nowMs === 15_000) display.heard({ line: "outcome", ...outcome }, 2);
        display.heard(progress, 2);
      }
      display.end();
      return written();
    };
    assert.match(
      walk(false),
      /^making a twin\n0 up, 0 failed, of 2 {3}address 2 .* up 1\n0 up, 1 failed, of 2 .*\n$/,
    );
    assert.equal(walk(true), "");
  });

  it("writes over one line on a terminal", () => {
    const { terminal, written } = screen(true);
    const display = createSimulationDisplay(terminal, true);
    display.heard({ line: "progress", started: 2, phases: {} }, 2);
    display.heard({ line: "progress", started: 2, phases: {} }, 2);
    display.end();
    const pieces = written().split("\r\u001B[J");
    assert.deepEqual(
      pieces.map((piece) => piece.slice(0, 8)),
      ["", "0 up, 0 ", "0 up, 0 ", ""],
    );
  });
});

function screen(isTTY = false) {
  let text = "";
  const stream = { isTTY, write: (part: string) => (text += part) };
  const terminal = createTerminal({ stdin: {}, stdout: stream, stderr: stream }, "never", true);
  return { terminal, written: () => text };
}
