import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AppError } from "../../../server/lib/errors.ts";
import { formatAge, formatBytes, formatDuration } from "../../../server/cli/format.ts";
import { describeError, exitStatusOfError } from "../../../server/cli/problem.ts";
import { createProgressReport } from "../../../server/cli/progress.ts";
import { renderFields, renderTable } from "../../../server/cli/table.ts";
import { createTerminal, type Streams } from "../../../server/cli/terminal.ts";

const plain = (_: string, text: string): string => text;

describe("quantities", () => {
  const mebi = 1024 ** 2;
  const bytes: readonly [number, string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1536, "2 KiB"],
    [33.14 * mebi, "33.1 MiB"],
    [335 * mebi, "335 MiB"],
    [10_239 * mebi, "10239 MiB"],
    [18 * 1024 * mebi, "18.0 GiB"],
  ];
  for (const [value, text] of bytes) it(text, () => assert.equal(formatBytes(value), text));
  const durations: readonly [number, string][] = [
    [80, "80 ms"],
    [1400, "1.4 s"],
    [59_400, "59 s"],
    [59_600, "1 min 0 s"],
    [123_000, "2 min 3 s"],
    [14_700_000, "4 h 5 min"],
    [266_400_000, "3 d 2 h"],
  ];
  for (const [value, text] of durations) it(text, () => assert.equal(formatDuration(value), text));
  const ages: readonly [number, string][] = [
    [0, "0 s ago"],
    [-3000, "3 s ago"],
    [-119_000, "1 min ago"],
    [-7_200_000, "2 h ago"],
    [-200_000_000, "2 d ago"],
    [61_000, "in 1 min"],
    [400, "0 s ago"],
  ];
  for (const [offset, text] of ages) it(text, () => assert.equal(formatAge(1e12 + offset, 1e12), text));
});

describe("tables", () => {
  const rows = [
    { name: "n1", text: "a rather long text about n1", count: 7 },
    { name: "n10", text: "short", count: 123 },
  ];
  type Row = (typeof rows)[number];
  const columns = [
    { title: "NAME", value: (row: Row) => row.name },
    { title: "COUNT", value: (row: Row) => String(row.count), align: "right" as const },
    { title: "TEXT", value: (row: Row) => row.text, least: 6 },
  ];

  it("are aligned, and whole where there is no terminal", () => {
    assert.equal(
      renderTable(columns, rows, { columns: undefined, paint: plain }),
      "NAME  COUNT  TEXT\nn1        7  a rather long text about n1\nn10     123  short",
    );
  });
  it("are cut to a terminal's width, but no column below its least", () => {
    assert.equal(
      renderTable(columns, rows, { columns: 24, paint: plain }),
      "NAME  COUNT  TEXT\nn1        7  a rather l…\nn10     123  short",
    );
    assert.match(renderTable(columns, rows, { columns: 5, paint: plain }), /^n1 {8}7 {2}a rat…$/m);
  });
  it("have colours outside of what is padded and cut", () => {
    const styled = [{ title: "A", value: (row: Row) => row.name, style: () => "red" as const }];
    const paint = (style: string, text: string): string => `<${style}>${text}</>`;
    assert.equal(
      renderTable(styled, rows, { columns: undefined, paint }),
      "<bold>A</>\n<red>n1</>\n<red>n10</>",
    );
  });
  it("show what machines sent without its control characters", () => {
    const hostile = [{ name: "\u001B]0;owned\u0007\u001B[31mred\nline", text: "", count: 0 }];
    const text = renderTable(columns, hostile, { columns: undefined, paint: plain });
    assert.ok(!/\p{Cc}/u.test(text.replaceAll("\n", "")), JSON.stringify(text));
    assert.equal(text.split("\n").length, 2);
  });
  it("fields: values of several lines stay in their column", () => {
    assert.equal(
      renderFields(
        [
          ["a", "1\n2"],
          ["long", "3"],
        ],
        plain,
      ),
      "a     1\n      2\nlong  3",
    );
  });
});

describe("terminal", () => {
  const streams = (isTTY: boolean, columns?: number): Streams => {
    const stream = { isTTY, write: () => true, ...(columns === undefined ? {} : { columns }) };
    return { stdin: { isTTY }, stdout: stream, stderr: stream };
  };
  const red = (isTTY: boolean, choice: "auto" | "always" | "never", noColor = false): boolean =>
    createTerminal(streams(isTTY), choice, noColor).paint("red", "x") !== "x";

  it("colours on a terminal, unless NO_COLOR is set or told not to", () => {
    assert.deepEqual([red(true, "auto"), red(false, "auto"), red(true, "auto", true)], [true, false, false]);
    assert.deepEqual(
      [red(true, "never"), red(false, "always"), red(false, "always", true)],
      [false, true, true],
    );
  });
  it("knows its width, and that nobody can be asked where there is none", () => {
    assert.equal(createTerminal(streams(true, 132), "auto", false).columns, 132);
    assert.equal(createTerminal(streams(false, 132), "auto", false).columns, undefined);
    assert.equal(createTerminal(streams(false), "auto", false).interactive, false);
    assert.equal(createTerminal(streams(true), "auto", false).interactive, true);
  });
});

describe("progress", () => {
  it("writes over one line on a terminal", () => {
    const lines: string[] = [];
    let nowMs = 0;
    const terminal = {
      err: () => assert.fail("a line of its own"),
      progress: { show: (line: string) => void lines.push(line), width: 24 },
    };
    const report = createProgressReport(terminal, { nowMs: () => nowMs });
    report.tick();
    report.update({ phase: "unpacking", percent: 5 });
    nowMs = 61_000;
    report.tick();
    report.end();
    assert.deepEqual(lines, ["  5 %  unpacking  (0 ms)", "  5 %  unpacking  (1 min", ""]);
  });
  it("elsewhere writes a line for each phase, and one now and then", () => {
    const lines: string[] = [];
    let nowMs = 0;
    const terminal = { err: (line: string) => void lines.push(line), progress: undefined };
    const report = createProgressReport(terminal, { nowMs: () => nowMs });
    report.update({ phase: "unpacking", percent: 5 });
    report.update({ phase: "unpacking", percent: 6 });
    nowMs = 10_000;
    report.tick();
    report.update({ phase: "packing", percent: 50 });
    nowMs = 41_000;
    report.tick();
    report.end();
    assert.deepEqual(lines, ["  5 %  unpacking  (0 ms)", " 50 %  packing  (10 s)", " 50 %  packing  (41 s)"]);
  });
});

describe("errors", () => {
  it("are told with every fault, a drawing as it is, and the hint", () => {
    const error = new AppError("invalid", "2 faults", {
      faults: [
        { place: "--ip", message: "taken" },
        { place: "range", message: "n[\n  ^" },
        { place: "n001", message: "the end of its log:\none\ntwo" },
      ],
      hint: "provision help ranges",
    });
    assert.equal(
      describeError(error),
      "provision: 2 faults\n  --ip: taken\n    n[\n      ^\n  n001: the end of its log:\n      one\n      two\ntry: provision help ranges",
    );
    assert.equal(exitStatusOfError(error), 2);
  });
  it("of any other kind are told by their message, and are failures", () => {
    assert.equal(describeError(new TypeError("x is not a function")), "provision: x is not a function");
    assert.equal(describeError("text"), "provision: text");
    assert.equal(exitStatusOfError(new TypeError("x")), 1);
    assert.equal(exitStatusOfError(new AppError("environment", "x")), 1);
  });
});
