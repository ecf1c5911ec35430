import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { machineStops, readsAsStopping } from "../../../agent/shutdown.ts";

describe("machine going down", () => {
  it("is told from the job and the state of shutdown.target", () => {
    assert.equal(readsAsStopping("Job=1718\nActiveState=inactive\n"), true);
    assert.equal(readsAsStopping("ActiveState=active\n"), true);
    assert.equal(readsAsStopping("ActiveState=activating\n"), true);
    assert.equal(readsAsStopping("ActiveState=inactive\n"), false);
    assert.equal(readsAsStopping("Job=\nActiveState=inactive\n"), false);
    assert.equal(readsAsStopping("Job=0\nActiveState=inactive\n"), false);
    assert.equal(readsAsStopping(""), false);
  });

  it("is not assumed when systemd does not answer", async () => {
    const lines: string[] = [];
    const say = (line: string): void => void lines.push(line);
    assert.equal(await machineStops(say, () => Promise.resolve("Job=3\n")), true);
    assert.deepEqual(lines, []);
    assert.equal(await machineStops(say, () => Promise.reject(new Error("no systemd"))), false);
    assert.deepEqual(lines, ["cannot ask systemd whether the machine stops: no systemd"]);
  });
});
