import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { machineIp, machineMac, machineName, maxMachines } from "../../../server/lab/addresses.ts";
import { newMachine } from "../../../server/lab/machines.ts";
import { labPaths } from "../../../server/lab/paths.ts";
import {
  changeState,
  freeIndex,
  type LabState,
  openState,
  parseState,
  readState,
  withMachine,
  writeState,
} from "../../../server/lab/state.ts";
import { AppError } from "../../../server/lib/errors.ts";
import { parseIpv4Range, parseSubnet, rangeContains, subnetContains } from "../../../server/lib/ipv4.ts";
import { labNetwork } from "../../../server/lab/addresses.ts";

const directory = mkdtempSync(join(tmpdir(), "provision-lab-state-"));
after(() => rmSync(directory, { recursive: true }));

const state: LabState = {
  version: 1,
  maker: { pid: 4711, startTicks: 12 },
  accelerator: "tcg",
  acceleratorReason: "there is no /dev/kvm",
  memoryMiB: 512,
  cpus: 1,
  createdAtMs: 1000,
  machines: [{ ...newMachine(1, "bios"), process: { pid: 4712, startTicks: 13 }, startedAtMs: 2000 }],
};

test("what is written is read back, and no other file stays", () => {
  const file = join(directory, "state.json");
  writeState(file, state);
  assert.deepEqual(readState(file), state);
  assert.deepEqual(readdirSync(directory), ["state.json"]);
  const second = { ...newMachine(2, "uefi"), startedAtMs: 3000 };
  const changed = changeState(file, (before) => withMachine(before, second));
  assert.deepEqual(
    changed.machines.map(({ name }) => name),
    ["n001", "n002"],
  );
  assert.deepEqual(readState(file), changed);
});

test("half a file, or another program's, is no state", () => {
  const text = JSON.stringify(state);
  for (let length = 0; length < text.length; length += 1) {
    assert.equal(parseState(text.slice(0, length)), undefined);
  }
  assert.notEqual(parseState(text), undefined);
  for (const wrong of [
    { ...state, version: 2 },
    { ...state, maker: { pid: 1, startTicks: 0 } },
    { ...state, machines: [{ ...state.machines[0], mac: "nonsense" }] },
    { ...state, surprise: true },
  ]) {
    assert.equal(parseState(JSON.stringify(wrong)), undefined);
  }
});

test("a lab that is not there is an error that says how to make one", () => {
  const paths = { ...labPaths("second"), state: join(directory, "absent.json") };
  assert.throws(
    () => openState(paths),
    (error) =>
      error instanceof AppError &&
      error.code === "not-found" &&
      error.hint === "provision lab up --name second",
  );
  writeFileSync(paths.state, "{");
  assert.throws(() => changeState(paths.state, (before) => before), AppError);
});

test("a machine takes the lowest free number, and is replaced by its name", () => {
  const third = withMachine(state, { ...newMachine(3, "uefi"), startedAtMs: 0 });
  assert.equal(freeIndex(third), 2);
  const off = withMachine(third, { ...newMachine(1, "bios"), startedAtMs: 5 });
  assert.equal(off.machines.length, 2);
  assert.equal(off.machines[0]?.process, undefined);
});

test("every machine has its own port and an address in the subnet, outside the pool", () => {
  const subnet = parseSubnet(labNetwork.subnet);
  const pool = parseIpv4Range(labNetwork.pool);
  assert.ok(subnet !== undefined && pool !== undefined);
  const seen = new Set<string>();
  for (let index = 1; index <= maxMachines; index += 1) {
    const ip = machineIp(index);
    assert.ok(subnetContains(subnet, ip) && !rangeContains(pool, ip) && ip !== labNetwork.address, ip);
    for (const value of [ip, machineMac(index), machineName(index)]) seen.add(value);
  }
  assert.equal(seen.size, 3 * maxMachines);
  assert.throws(() => machineIp(maxMachines + 1), AppError);
});

test("names of labs that could leave their directory are refused", () => {
  for (const name of ["..", "a/b", "A", "-a", "a-", " ", "a".repeat(21), "a\0"]) {
    assert.throws(() => labPaths(name), AppError, JSON.stringify(name));
  }
  assert.equal(labPaths("").directory, "/run/provision-lab");
  assert.equal(labPaths("b2").namespace, "provision-lab-b2");
});
