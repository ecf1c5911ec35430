import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseHttpDate } from "../../../server/http/http-date.ts";
import { type Representation, select } from "../../../server/http/selection.ts";

const nowMs = Date.UTC(2026, 10, 22, 12, 0, 0);
const modifiedAtMs = Date.UTC(2026, 10, 1, 8, 0, 0, 250);
const modified = "Sun, 01 Nov 2026 08:00:00 GMT";
const given: Representation = { sizeBytes: 1000, etag: '"v1"', modifiedAtMs };

const get = (headers: Parameters<typeof select>[1], of = given) => select("GET", headers, of, nowMs);
const whole = { status: 200, from: 0, to: 1000 };

for (const [range, expected] of [
  ["bytes=0-0", { status: 206, from: 0, to: 1 }],
  ["bytes=0-", { status: 206, from: 0, to: 1000 }],
  ["bytes=999-", { status: 206, from: 999, to: 1000 }],
  ["bytes=990-5000", { status: 206, from: 990, to: 1000 }],
  ["bytes=-10", { status: 206, from: 990, to: 1000 }],
  ["bytes=-5000", { status: 206, from: 0, to: 1000 }],
  ["BYTES=5-6", { status: 206, from: 5, to: 7 }],
  ["bytes= 5-6 ,", { status: 206, from: 5, to: 7 }],
  [`bytes=0-${"9".repeat(30)}`, { status: 206, from: 0, to: 1000 }],
  ["bytes=1000-", { status: 416 }],
  ["bytes=5000-6000", { status: 416 }],
  [`bytes=${"9".repeat(400)}-`, { status: 416 }],
  ["bytes=-0", { status: 416 }],
  ["bytes=6-5", whole],
  ["bytes=-", whole],
  ["bytes=", whole],
  ["bytes=0-1,5-6", whole],
  ["bytes=a-b", whole],
  ["bytes=0x1-2", whole],
  ["bytes=1 - 2", whole],
  ["lines=0-1", whole],
  ["bytes 0-1", whole],
] as const) {
  test(`Range: ${range.slice(0, 40)}`, () => assert.deepEqual(get({ range }), expected));
}

test("a range of an empty file is never satisfiable, but that its last bytes are all of it", () => {
  const empty = { ...given, sizeBytes: 0 };
  assert.deepEqual(get({ range: "bytes=0-" }, empty), { status: 416 });
  assert.deepEqual(get({ range: "bytes=-5" }, empty), { status: 200, from: 0, to: 0 });
});

test("whatever a Range says, the answer is a slice that it asks for, 416, or the whole", () => {
  const position = fc.oneof(fc.constant(""), fc.nat(2000).map(String), fc.string());
  const range = fc.oneof(
    fc.string(),
    fc
      .tuple(fc.constantFrom("bytes=", "Bytes=", "bytes", "pages="), position, position)
      .map(([unit, from, last]) => `${unit}${from}-${last}`),
  );
  fc.assert(
    fc.property(range, fc.nat(1500), (text, sizeBytes) => {
      const selection = get({ range: text }, { ...given, sizeBytes });
      const form = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(text);
      const [from, last] = [form?.[1] ?? "", form?.[2] ?? ""];
      if (form === null || (from === "" && last === "") || (from !== "" && last !== "" && +last < +from)) {
        // Unknown units, malformed ranges, lists with several: section 14.2 lets the server send it all.
        if (!text.includes(",")) assert.equal(selection.status, 200);
      } else if (from === "") {
        if (+last === 0) assert.equal(selection.status, 416);
        else if (sizeBytes > 0)
          assert.deepEqual(selection, { status: 206, from: Math.max(0, sizeBytes - +last), to: sizeBytes });
      } else if (+from >= sizeBytes) assert.equal(selection.status, 416);
      else {
        const to = last === "" ? sizeBytes : Math.min(sizeBytes, +last + 1);
        assert.deepEqual(selection, { status: 206, from: +from, to });
      }
      if (selection.status === 206)
        assert.ok(0 <= selection.from && selection.from < selection.to && selection.to <= sizeBytes);
      if (selection.status === 200) assert.deepEqual(selection, { status: 200, from: 0, to: sizeBytes });
    }),
    { numRuns: 2000 },
  );
});

for (const [what, headers, expected] of [
  ["the same version", { "if-none-match": '"v1"' }, 304],
  ["the same version, weakly", { "if-none-match": 'W/"v1"' }, 304],
  ["a list with the same version", { "if-none-match": '"v0", "v1"' }, 304],
  ["any version", { "if-none-match": "*" }, 304],
  ["another version", { "if-none-match": '"v0"' }, 200],
  [
    "another version, whatever the date says",
    { "if-none-match": '"v0"', "if-modified-since": modified },
    200,
  ],
  ["not changed since then", { "if-modified-since": modified }, 304],
  ["changed since then", { "if-modified-since": "Sun, 01 Nov 2026 07:59:59 GMT" }, 200],
  ["a date that is none", { "if-modified-since": "yesterday" }, 200],
  ["only this version, which it is", { "if-match": '"v1"' }, 200],
  ["only this version, which it is not", { "if-match": '"v0"' }, 412],
  ["only this version, and a weak validator does not do", { "if-match": 'W/"v1"' }, 412],
  ["only any version", { "if-match": "*" }, 200],
  ["only if not changed since, which it is not", { "if-unmodified-since": modified }, 200],
  ["only if not changed since, which it is", { "if-unmodified-since": "Sun, 01 Nov 2026 07:59:59 GMT" }, 412],
  [
    "If-Match comes before If-Unmodified-Since",
    { "if-match": '"v1"', "if-unmodified-since": "Sun, 01 Nov 2020 07:59:59 GMT" },
    200,
  ],
  ["304 comes before the range", { "if-none-match": '"v1"', range: "bytes=0-1" }, 304],
  ["a part of the same version", { "if-range": '"v1"', range: "bytes=0-1" }, 206],
  ["a part, but of another version", { "if-range": '"v0"', range: "bytes=0-1" }, 200],
  ["a part, but a weak validator does not do", { "if-range": 'W/"v1"', range: "bytes=0-1" }, 200],
  ["a part, by the date of the same version", { "if-range": modified, range: "bytes=0-1" }, 206],
  ["a part, by another date", { "if-range": "Sun, 01 Nov 2026 08:00:01 GMT", range: "bytes=0-1" }, 200],
  ["a part that is not there, of another version", { "if-range": '"v0"', range: "bytes=5000-" }, 200],
] as const) {
  test(`conditions: ${what}`, () => assert.equal(get(headers).status, expected));
}

test("a date in the second of the change tells no versions apart, so no parts are joined by it", () => {
  const young = { ...given, modifiedAtMs: nowMs - (nowMs % 1000) };
  const headers = { "if-range": new Date(young.modifiedAtMs).toUTCString(), range: "bytes=5-" };
  assert.equal(select("GET", headers, young, young.modifiedAtMs + 900).status, 200);
  assert.equal(select("GET", headers, young, young.modifiedAtMs + 1000).status, 206);
});

test("HEAD has no ranges, and its conditions are GET's", () => {
  assert.equal(select("HEAD", { range: "bytes=0-1" }, given, nowMs).status, 200);
  assert.equal(select("HEAD", { "if-none-match": '"v1"' }, given, nowMs).status, 304);
});

test("dates in all three forms that a server has to read; nothing else is one", () => {
  const at = Date.UTC(1994, 10, 6, 8, 49, 37);
  assert.equal(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT", nowMs), at);
  assert.equal(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT", nowMs), at);
  assert.equal(parseHttpDate("Sun Nov  6 08:49:37 1994", nowMs), at);
  assert.equal(parseHttpDate("Sunday, 06-Nov-70 08:49:37 GMT", nowMs), Date.UTC(2070, 10, 6, 8, 49, 37));
  for (const text of ["", "1994", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "6 Nov 1994"])
    assert.equal(parseHttpDate(text, nowMs), undefined, text);
});

test("a date that we write is read as the second that it names", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
      assert.equal(parseHttpDate(new Date(seconds * 1000).toUTCString(), nowMs), seconds * 1000);
    }),
  );
});
