import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLabReport, describeLab } from "../../../server/cli/lab-report.ts";
import type { Terminal } from "../../../server/cli/terminal.ts";
import type { LabNode, LabStatus } from "../../../server/lab/status.ts";
import { provision } from "./fake-head.ts";

const booting: LabNode = {
  name: "n001",
  firmware: "bios",
  state: "kernel",
  secondsToUp: null,
  phaseSeconds: { offered: 3.1, loader: 4, script: 6.5, kernel: 9 },
  mac: "52:54:00:00:00:01",
  node: "n001",
  ip: "10.77.0.11",
  pid: 1,
  memoryMiB: 512,
};
const up: LabNode = {
  ...booting,
  name: "n002",
  node: "n002",
  firmware: "uefi",
  state: "up",
  secondsToUp: 75.2,
};
const off: LabNode = { ...booting, name: "n003", node: "n003", state: "off", phaseSeconds: {} };

function statusOf(...nodes: LabNode[]): LabStatus {
  return {
    name: "",
    namespace: "provision-lab",
    directory: "/run/provision-lab",
    head: "running",
    accelerator: "tcg",
    acceleratorReason: "no /dev/kvm",
    nodes,
  };
}

const plain = (_: string, text: string): string => text;

function terminal(live: boolean): { terminal: Terminal; written: string[] } {
  const written: string[] = [];
  return {
    written,
    terminal: {
      out: () => assert.fail("standard output is for the answer"),
      err: (text) => void written.push(text),
      progress: live ? { show: (text) => void written.push(text), width: 80 } : undefined,
      columns: undefined,
      interactive: live,
      paint: plain,
    },
  };
}

describe("lab status", () => {
  it("tells how the lab runs, and the seconds of each machine's steps", () => {
    const text = describeLab(statusOf(booting, up, off), terminal(false).terminal);
    assert.match(text, /^head running, namespace provision-lab, .* run with TCG \(no \/dev\/kvm\)\n/);
    assert.match(
      text,
      /^NODE +FIRMWARE +STATE +OFFERED +LOADER +SCRIPT +KERNEL +INITRD +OVERLAY +STARTING +ROOT +UP$/m,
    );
    assert.match(text, /^n001 +bios +kernel +3 +4 +7 +9 +- +- +- +- +-$/m);
    assert.match(text, /^n003 +bios +off( +-){9}$/m);
  });
});

describe("what lab up shows", () => {
  it("without a terminal: a line for each change", () => {
    const { terminal: plainTerminal, written } = terminal(false);
    const report = createLabReport(plainTerminal);
    report.say("the head serves");
    report.progress(statusOf(booting), 9000);
    report.progress(statusOf(booting), 10_000);
    report.progress(statusOf({ ...booting, state: "up" }), 75_000);
    assert.deepEqual(written, ["the head serves", "   9 s  n001 (bios)  kernel", "  75 s  n001 (bios)  up"]);
  });
  it("on a terminal: a table in its place", () => {
    const { terminal: liveTerminal, written } = terminal(true);
    const report = createLabReport(liveTerminal);
    report.progress(statusOf(booting, up), 9400);
    report.progress(statusOf(up, up), 75_000);
    assert.equal(written.length, 2);
    assert.match(written[0] ?? "", /^NODE .*\nn001 .*\nn002 .*\n1 of 2 up after 9\.0 s$/);
    assert.ok(written[1]?.startsWith("\u001B[4A\u001B[J"), "over the four lines of the first");
  });
});

describe("lab commands where there is no such lab", { concurrency: 2 }, () => {
  const name = ["--name", `none-${process.pid}`];
  for (const words of [
    ["lab", "status", ...name],
    ["lab", "console", ...name, "n001"],
    ["lab", "ssh", ...name, "n001", "--", "ls", "--color"],
    ["lab", "power", ...name, "n001", "off"],
    ["lab", "add", ...name],
  ]) {
    it(words.slice(0, 2).join(" "), async () => {
      const { status, stderr } = await provision(words);
      assert.match(stderr, /provision: no lab called none-\d+ is up/);
      assert.equal(status, 1);
    });
  }

  it("wrong values are told of before anything is made", async () => {
    for (const [words, message] of [
      [["lab", "up", "--firmware", "bios,vax"], /it takes bios and uefi, with commas\./],
      [["lab", "up", "--nodes", "101"], /it takes a whole number from 0 to 100\./],
      [["lab", "up", "--accelerator", "warp"], /Allowed choices are auto, kvm, tcg/],
      [["lab", "power", "n001", "explode"], /explode: expected on, off, reset/],
      [["lab", "status", "--name", "No Such"], /--name: /],
      [["lab", "frobnicate"], /unknown command 'frobnicate'/],
    ] as const) {
      const { status, stderr } = await provision(words);
      assert.match(stderr, message);
      assert.equal(status, 2, stderr);
    }
  });
});
