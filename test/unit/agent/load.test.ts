import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { busyShare, parseCpuTimes, parseLoadAverage, parseMemory } from "../../../agent/load.ts";

describe("load", () => {
  it("reads /proc/loadavg and does not count the reader", () => {
    assert.deepEqual(parseLoadAverage("0.23 0.19 0.09 2/97 20443\n"), {
      average: [0.23, 0.19, 0.09],
      runnable: 1,
    });
    assert.equal(parseLoadAverage("12.00 3.50 1.25 0/97 1\n").runnable, 0);
    assert.deepEqual(parseLoadAverage(""), { average: [0, 0, 0], runnable: 0 });
  });

  it("reads /proc/meminfo in bytes", () => {
    const text = "MemTotal:       24684092 kB\nMemFree:        23365764 kB\nMemAvailable:   24317980 kB\n";
    assert.equal(parseMemory(text, "MemTotal"), 25276510208);
    assert.equal(parseMemory(text, "MemAvailable"), 24901611520);
    assert.equal(parseMemory("MemFree: 1 kB\n", "MemAvailable"), 0);
  });

  it("takes the share of time that was not idle from two readings of /proc/stat", () => {
    const first = parseCpuTimes(
      "cpu  8477 0 6270 182010 466 0 127 19 0 0\ncpu0 3341 0 2520 92753 26 0 16 6 0 0\n",
    );
    assert.deepEqual(first, { busy: 14893, total: 197369 });
    const second = parseCpuTimes("cpu  8577 0 6270 182300 476 0 127 19 50 0\n");
    // 100 ticks of user time, 290 idle, 10 waiting for a disk; guests' are in user already.
    assert.equal(busyShare(first, second), 0.25);
    assert.equal(busyShare({ busy: 0, total: 0 }, first), 0.075);
  });

  it("stays between 0 and 1 when counters stand still or run backwards", () => {
    const now = { busy: 10, total: 100 };
    assert.equal(busyShare(now, now), 0);
    assert.equal(busyShare({ busy: 20, total: 50 }, now), 0);
    assert.equal(busyShare({ busy: 0, total: 99 }, now), 1);
    assert.equal(busyShare(now, { busy: 0, total: 0 }), 0);
  });
});
