import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { AppError } from "../../../server/lib/errors.ts";
import {
  expandNewNames,
  expandRange,
  foldNames,
  type RangeLookup,
} from "../../../server/model/node-range.ts";
import { parseRange } from "../../../server/model/node-range-parser.ts";

const anyName: RangeLookup = { hasNode: () => true, group: () => [], all: () => [] };

/** The names as written, whatever they are. */
function expand(text: string): readonly string[] {
  return expandRange(text, anyName);
}

const rack: RangeLookup = {
  hasNode: (name) => rack.all().includes(name),
  group: (name) => ({ compute: ["n001", "n002", "n003"], gpu: ["n003", "n004"], spare: [] })[name],
  all: () => ["n001", "n002", "n003", "n004"],
  groupNames: () => ["compute", "gpu", "spare"],
};

function refusal(act: () => unknown): AppError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    return error;
  }
  return assert.fail("nothing was thrown");
}

describe("brackets", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["n1", "n1"],
    ["n[1-3]", "n1 n2 n3"],
    ["n[008-011]", "n008 n009 n010 n011"],
    ["n[08-11]", "n08 n09 n10 n11"],
    ["n[98-101]", "n98 n99 n100 n101"],
    ["n[001-10]", "n001 n002 n003 n004 n005 n006 n007 n008 n009 n010"],
    ["n[001-003,205]", "n001 n002 n003 n205"],
    ["n[1-9/3]", "n1 n4 n7"],
    ["n[1-9/4,2]", "n1 n5 n9 n2"],
    ["r[1-2]n[1-3]", "r1n1 r1n2 r1n3 r2n1 r2n2 r2n3"],
    ["n[0-1]-ib", "n0-ib n1-ib"],
    ["n[1,1,1-2]", "n1 n2"],
    ["n2,n1,n[1-3]", "n2 n1 n3"],
    [" n1 , n[ 2 - 3 ] ", "n1 n2 n3"],
    ["[1-2]a", "1a 2a"],
  ];
  for (const [range, names] of cases) {
    it(`${range} is ${names}`, () => assert.deepEqual(expand(range), names.split(" ")));
  }
});

describe("operators and groups", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["@compute", "n001 n002 n003"],
    ["all", "n001 n002 n003 n004"],
    ["@*", "n001 n002 n003 n004"],
    ["@all", "n001 n002 n003 n004"],
    ["all,!n002", "n001 n003 n004"],
    ["!n002,all", "n001 n003 n004"],
    ["all,!n002,n002", "n001 n003 n004"],
    ["all!@compute", "n004"],
    ["@compute&@gpu", "n003"],
    ["@gpu&@compute,n001", "n003 n001"],
    ["@compute&n[001-004]!n002", "n001 n003"],
    ["all,!@compute&@gpu", "n001 n002 n004"],
    ["@gpu,@compute", "n003 n004 n001 n002"],
    ["@spare", ""],
  ];
  for (const [range, names] of cases) {
    it(`${range} is ${names || "nobody"}`, () =>
      assert.deepEqual(expandRange(range, rack), names.split(" ").filter(Boolean)));
  }
});

describe("unknown names", () => {
  it("are all named at once, folded, nodes and groups", () => {
    const error = refusal(() => expandRange("n[001-006],@cpu,nope,@gpus", rack));
    assert.equal(error.code, "not-found");
    assert.equal(error.message, "no such node: n[005-006],nope; no such group: @cpu,@gpus");
  });
  it("are an error behind ! and & too", () => {
    assert.equal(refusal(() => expandRange("all,!n9", rack)).message, "no such node: n9");
    assert.equal(refusal(() => expandRange("all&n9", rack)).message, "no such node: n9");
  });
  const hints: readonly (readonly [string, string | undefined])[] = [
    ["n1", "n001, the nearest name that there is"],
    ["N001", "n001, the nearest name that there is"],
    ["m001", "n001, the nearest name that there is"],
    ["@computer", "@compute, the nearest name that there is"],
    ["compute", "@compute, which is a group"],
    ["n001-n003", "n[001-003], as ranges are written"],
    ["storage", undefined],
  ];
  for (const [range, hint] of hints) {
    it(`${range}: ${hint ?? "no hint"}`, () => {
      assert.equal(refusal(() => expandRange(range, rack)).hint, hint);
    });
  }
});

describe("malformed ranges", () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ["", 1, 'expected a node, "@group" or "all", found the end'],
    ["n1,", 4, "expected a node"],
    [",n1", 1, 'found ","'],
    ["n[1-3", 6, 'expected "-", "," or "]", found the end'],
    ["n[]", 3, 'expected a number, found "]"'],
    ["n[1-,5]", 5, 'expected a number, found ","'],
    ["n[a-b]", 3, 'expected a number, found "a"'],
    ["n[9-1]", 5, "expected a number not below 9"],
    ["n[1-010]", 3, "expected as many digits as in 010"],
    ["n[1-9/0]", 7, "a step of at least 1"],
    ["n1-n3]", 6, 'expected "," or the end of the range, found "]"'],
    ["n[1-3]]", 7, 'found "]"'],
    ["@", 2, "expected the name of a group"],
    ["all,-n5", 5, "to leave nodes out, write !n5"],
    ["n1 n2", 4, 'expected "," or the end of the range, found "n"'],
    ["n*", 2, 'found "*"'],
    ["n1&", 4, "expected a node"],
    ["n[1-9999999999999999]", 5, "at most 15 digits"],
  ];
  for (const [range, character, text] of cases) {
    it(JSON.stringify(range), () => {
      const error = refusal(() => parseRange(range));
      assert.equal(error.code, "invalid");
      assert.ok(error.message.includes(text), error.message);
      assert.ok(error.message.endsWith(`at character ${character}`), error.message);
      const caret = error.faults[0]?.message.split("\n")[1];
      assert.equal(caret, `${" ".repeat(character - 1)}^`);
    });
  }
  it("only exclusions", () => {
    const error = refusal(() => parseRange("!n5"));
    assert.match(error.message, /nothing to take !n5 from; all but that is all,!n5/);
  });
  it("a long range is shown only around the fault", () => {
    const error = refusal(() => parseRange(`${"n1,".repeat(100)}?${",n2".repeat(100)}`));
    const [line = "", caret = ""] = error.faults[0]?.message.split("\n") ?? [];
    assert.ok(line.length < 80);
    assert.equal(line[caret.length - 1], "?");
  });
  for (const range of ["n[1-100001]", "n[1-400]x[1-400]", "n[0-999999999999999]", "a[1-60000],b[1-60000]"]) {
    it(`${range} gives too many names`, () => {
      assert.match(refusal(() => parseRange(range)).message, /more than 100,000 names/);
    });
  }
  it("100,000 names are not too many", () => assert.equal(expand("n[1-100000]").length, 100_000));
});

describe("names for new nodes", () => {
  it("need not exist, and excluding one that is not there is no error", () => {
    assert.deepEqual(expandNewNames("n[1-3],!n[2,7]"), ["n1", "n3"]);
  });
  for (const range of ["@compute", "all", "n1,@*"]) {
    it(`${range} cannot name any`, () => {
      const error = refusal(() => expandNewNames(range));
      assert.equal(error.code, "invalid");
      assert.match(error.message, /cannot name new ones/);
    });
  }
  it("must be host name labels; the wrong ones are named", () => {
    const error = refusal(() => expandNewNames("n1,N[2-3],n_4,n-"));
    assert.equal(error.message, "not a host name: n_4,n-,N[2-3]");
  });
});

describe("folding", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["n001 n002 n003 n020", "n[001-003,020]"],
    ["n10 n9 n1", "n[1,9-10]"],
    ["n1", "n1"],
    ["r1n1 r1n2 r2n1 r2n2", "r[1-2]n[1-2]"],
    ["r1n1 r1n2 r2n1", "r1n[1-2],r2n1"],
    ["n099 n100", "n[099-100]"],
    ["n9 n09 n10", "n[9-10,09]"],
    ["login n2 n1", "login,n[1-2]"],
    ["", ""],
  ];
  for (const [names, folded] of cases) {
    it(`${names || "nothing"} is ${folded}`, () => {
      assert.equal(foldNames(names.split(" ").filter(Boolean)), folded);
    });
  }
  it("groups keep their sign", () => assert.equal(foldNames(["a1", "a2", "b"], "@"), "@a[1-2],@b"));

  const name = fc.stringMatching(/^[a-z0-9]{1,2}[a-z0-9-]{0,6}[0-9]{0,3}$/).filter((text) => text !== "all");
  const numbered = fc
    .tuple(fc.constantFrom("n", "r1n", "node-", ""), fc.nat(120), fc.constantFrom(1, 2, 3))
    .map(([stem, number, width]) => stem + String(number).padStart(width, "0"));
  it("gives back the same set of names", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.oneof(name, numbered), { minLength: 1, maxLength: 60 }), (names) => {
        assert.deepEqual(expand(foldNames(names)).toSorted(), names.toSorted());
      }),
      { numRuns: 500 },
    );
  });
  it("does not depend on the order", () => {
    fc.assert(
      fc.property(fc.uniqueArray(numbered, { minLength: 1, maxLength: 30 }), (names) => {
        assert.equal(foldNames(names.toReversed()), foldNames(names));
      }),
    );
  });
  it("any text is either a set of names or refused, never anything else", () => {
    const piece = fc.constantFrom(
      "n",
      "[",
      "]",
      "1",
      "09",
      "-",
      ",",
      "!",
      "&",
      "@",
      "/",
      " ",
      "all",
      "*",
      "x",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const text = pieces.join("");
        try {
          expand(text);
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === "invalid", `${text}: ${String(error)}`);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
