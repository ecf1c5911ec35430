import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { median, ratioOf, rowsOf, type Sample, spreadOf } from "../../bench/report.ts";
import { Measurements } from "../../bench/measuring.ts";
import { figure, renderReport } from "../../bench/table.ts";

const positive = fc.double({ min: 0.001, max: 1e6, noNaN: true });

test("the median is between the values, the middle one of an odd number, the mean of two in an even one", () => {
  assert.equal(median([]), undefined);
  assert.equal(median([3]), 3);
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 2, 100]), 3);
  fc.assert(
    fc.property(fc.array(positive, { minLength: 1 }), (values) => {
      const middle = median(values) ?? Number.NaN;
      assert.ok(values.filter((value) => value <= middle).length * 2 >= values.length);
      assert.ok(values.filter((value) => value >= middle).length * 2 >= values.length);
    }),
  );
});

test("the spread is of several rounds only", () => {
  assert.equal(spreadOf([2]), undefined);
  assert.deepEqual(spreadOf([2, 2]), [2, 2]);
  assert.deepEqual(spreadOf([2, 1, 3]), [1, 3]);
});

test("a ratio above 1 says that the first is better, whichever way the unit runs", () => {
  assert.equal(ratioOf("MB/s", 300, 100), 3);
  assert.equal(ratioOf("ms", 300, 100), 1 / 3);
  assert.equal(ratioOf("% whole", 0, 0), 1);
  assert.equal(ratioOf("% whole", 100, 0), undefined, "no number says how much better");
  assert.equal(ratioOf("s", 0, 5), undefined);
  fc.assert(
    fc.property(positive, positive, fc.constantFrom("MB/s", "ms"), (first, second, unit) => {
      const [there, back] = [ratioOf(unit, first, second), ratioOf(unit, second, first)];
      assert.ok(there !== undefined && back !== undefined && Math.abs(there * back - 1) < 1e-9);
    }),
  );
});

const samples: Sample[] = [
  ["provision", 100],
  ["Kea", 50],
  ["ISC dhcpd", 25],
  ["provision", 120],
  ["Kea", 40],
  ["ISC dhcpd", 30],
].map(([server, value]) => ({
  case: "new",
  server: String(server),
  unit: "exchanges/s",
  value: Number(value),
}));

test("a row for each rival; the spread is that of the ratios of single rounds", () => {
  assert.deepEqual(rowsOf("dhcp", samples, []), [
    {
      suite: "dhcp",
      case: "new",
      ours: 110,
      rival: 45,
      rivalName: "Kea",
      unit: "exchanges/s",
      ratio: 110 / 45,
      spread: [2, 3],
    },
    {
      suite: "dhcp",
      case: "new",
      ours: 110,
      rival: 27.5,
      rivalName: "ISC dhcpd",
      unit: "exchanges/s",
      ratio: 4,
      spread: [4, 4],
    },
  ]);
});

test("one case in two units is two rows; a case of ours alone is a row, too", () => {
  const share = { case: "new", server: "provision", unit: "% answered", value: 99 } as const;
  const rows = rowsOf("dhcp", [...samples, share], []);
  assert.deepEqual(
    rows.map(({ unit, rivalName }) => [unit, rivalName]),
    [
      ["exchanges/s", "Kea"],
      ["exchanges/s", "ISC dhcpd"],
      ["% answered", ""],
    ],
  );
});

test("rows have the keys that readers of the JSON know, and no others", () => {
  const known = ["suite", "case", "ours", "rival", "rivalName", "unit", "ratio", "spread"];
  for (const row of rowsOf("dhcp", samples, []))
    assert.deepEqual(Object.keys(row).toSorted(), known.toSorted());
});

test("a figure of ours is held against what it is to be", () => {
  const measurements = new Measurements();
  for (const value of [4, 2, 2.5]) measurements.addWithGoal("start", "s", value, 5);
  const [row] = measurements.rows("scale");
  assert.deepEqual([row?.ours, row?.rival, row?.rivalName, row?.ratio], [2.5, 5, "goal", 2]);
  assert.deepEqual(row?.spread, [1.25, 2.5]);
});

test("what could not be measured is a row with the reason, not left out", () => {
  const [row] = rowsOf("tftp", [], [{ server: "atftpd", message: "is not to be had" }]);
  assert.equal(row?.note, "is not to be had");
  assert.deepEqual([row?.ours, row?.rival, row?.ratio], [null, null, null]);
});

test("figures have three digits that matter", () => {
  const shown = [null, 0, 0.0451, 0.5, 9.876, 45.67, 456.7, 4567.8, 1_234_567].map((value) => figure(value));
  assert.deepEqual(shown, ["–", "0", "0.045", "0.500", "9.88", "45.7", "457", "4,568", "1,234,567"]);
});

test("the table shows ratios, spreads, failures, versions and the machine", () => {
  const machine = {
    takenAt: "2026-01-02 03:04",
    processor: "Processor",
    cores: 2,
    memoryMiB: 4096,
    kernel: "6.1",
    system: "Debian",
    versions: { kea: "2.2.0" },
    quick: true,
  };
  const rows = rowsOf("dhcp", samples.slice(0, 5), [
    { case: "new", server: "dnsmasq", message: "has ended" },
  ]);
  const [report, method] = renderReport({ machine, rows }).split("\n\nMedians of");
  assert.match(method ?? "", /rounds/);
  assert.equal(
    report,
    `### dhcp

|  | ours | rival |  | ratio | rounds |
| --- | ---: | ---: | --- | ---: | ---: |
| new, exchanges/s | 110 | 45.0 | Kea | **2.44** | 2.00 to 3.00 |
| new, exchanges/s | 110 | 25.0 | ISC dhcpd | **4.40** |  |
| new | – | – | dnsmasq: has ended |  |  |

2026-01-02 03:04, a quick run; Processor, 2 cores, 4 GiB, Debian, kernel 6.1; kea 2.2.0.`,
  );
});
