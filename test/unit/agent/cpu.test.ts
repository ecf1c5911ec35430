import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseCpu } from "../../../agent/cpu.ts";

function fixture(name: string): string {
  return readFileSync(join(import.meta.dirname, "fixtures", name), "utf8");
}

describe("processor", () => {
  it("reads a virtual machine's /proc/cpuinfo", () => {
    assert.deepEqual(parseCpu(fixture("cpuinfo-epyc-guest.txt")), {
      model: "AMD EPYC",
      sockets: 1,
      cores: 2,
      threads: 2,
      mhz: 2596,
    });
  });

  it("counts sockets and cores of a board with two processors and hyper-threading", () => {
    assert.deepEqual(parseCpu(fixture("cpuinfo-two-xeons.txt")), {
      model: "Intel(R) Xeon(R) CPU X5560 @ 2.80GHz",
      sockets: 2,
      cores: 4,
      threads: 8,
      mhz: 2794,
    });
  });

  it("names an arm64 processor by its part number, and takes its shape from sysfs", () => {
    const text = fixture("cpuinfo-raspberry-pi-4.txt");
    const flat = { model: "Arm Cortex-A72", sockets: 1, cores: 4, threads: 4, mhz: 0 };
    assert.deepEqual(parseCpu(text), flat);
    const places = [0, 0, 1, 1].map((core) => ({ socket: 0, core }));
    assert.deepEqual(parseCpu(text, places), { ...flat, cores: 2 });
    // Not for every thread: worth nothing.
    assert.deepEqual(parseCpu(text, places.slice(1)), flat);
    assert.equal(parseCpu(text.replaceAll("0xd08", "0xfff")).model, "arm64 implementer 0x41 part 0xfff");
  });

  it("says something of any text", () => {
    assert.deepEqual(parseCpu(""), { model: "unknown", sockets: 1, cores: 0, threads: 0, mhz: 0 });
    assert.equal(parseCpu("processor : 0\ncpu MHz : unknown\n").mhz, 0);
    assert.deepEqual(parseCpu("processor : 0\nmodel name : QEMU  Virtual CPU\n"), {
      model: "QEMU Virtual CPU",
      sockets: 1,
      cores: 1,
      threads: 1,
      mhz: 0,
    });
  });
});
