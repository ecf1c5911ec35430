import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createChildHost } from "../../../server/nfs/child.ts";
import { identityOf, isAlive, processesOf, runsCommand } from "../../../server/nfs/process-table.ts";

const directory = mkdtempSync(path.join(tmpdir(), "provision-nfs-child-"));
const started: number[] = [];

after(() => {
  for (const pid of started) {
    if (runsCommand(pid, sleeper) || runsCommand(pid, stubborn)) process.kill(pid, "SIGKILL");
  }
  rmSync(directory, { recursive: true, force: true });
});

/** Unique by its last word, as the servers' commands are by their files. */
const sleeper = {
  file: process.execPath,
  args: ["-e", "console.log('up'); setInterval(() => 0, 1000)", directory],
};
const stubborn = {
  file: process.execPath,
  args: ["-e", "process.on('SIGTERM', () => 0); console.log('deaf'); setInterval(() => 0, 1000)", directory],
};

let hosts = 0;

function host(settings: { endTimeoutMs?: number } = {}) {
  hosts += 1;
  const places = {
    record: path.join(directory, `${hosts}/child.json`),
    log: path.join(directory, `${hosts}/child.log`),
    searchPath: process.env["PATH"] ?? "",
    ...settings,
  };
  return { ...createChildHost(places), places };
}

describe("the server's process", () => {
  it("has a session of its own and writes into a file", async () => {
    const { start, places } = host();
    const child = await start(sleeper, "ganesha", "digest");
    started.push(child.pid);
    assert.equal(child.adopted, false);
    const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    assert.equal(Number(fields[3]), child.pid, "it leads its session");
    await child.end();
    assert.equal(await child.ended, "killed by SIGTERM");
    assert.ok(existsSync(places.log));
  });

  it("is found again by the next head, and ended by it", async () => {
    const { start, find, forget } = host();
    assert.equal(find(), undefined);
    const child = await start(sleeper, "ganesha", "digest");
    started.push(child.pid);
    const found = find();
    assert.deepEqual(
      {
        pid: found?.child.pid,
        adopted: found?.child.adopted,
        digest: found?.digest,
        backend: found?.backend,
      },
      { pid: child.pid, adopted: true, digest: "digest", backend: "ganesha" },
    );
    await found?.child.end();
    assert.match((await found?.child.ended) ?? "", /started by an earlier head/);
    assert.equal(find(), undefined);
    forget();
  });

  it("is found even when its head died between its start and the note of its number", async () => {
    const { start, find, places } = host();
    const child = await start(sleeper, "ganesha", "digest");
    started.push(child.pid);
    const { process: _lost, ...record } = JSON.parse(readFileSync(places.record, "utf8"));
    writeFileSync(places.record, JSON.stringify(record));
    assert.equal(find()?.child.pid, child.pid);
    await child.end();
  });

  it("is not confused with another process of the same number", async () => {
    const { start, find, places } = host();
    const child = await start(sleeper, "ganesha", "digest");
    started.push(child.pid);
    const record = JSON.parse(readFileSync(places.record, "utf8"));
    record.process.startTicks -= 1;
    writeFileSync(places.record, JSON.stringify(record));
    assert.equal(find(), undefined);
    record.process = identityOf(process.pid);
    writeFileSync(places.record, JSON.stringify(record));
    assert.equal(find(), undefined);
    await child.end();
  });

  it("is nobody when the note is cut short", () => {
    const { find, places, forget } = host();
    forget();
    writeFileSync(path.join(directory, "cut"), '{"backend":"gan');
    assert.equal(find(), undefined);
    assert.equal(createChildHost({ ...places, record: path.join(directory, "cut") }).find(), undefined);
  });

  it("says how it ended", async () => {
    const { start } = host();
    const quick = await start({ file: "sh", args: ["-c", "sleep 0.05; exit 3"] }, "ganesha", "");
    assert.equal(await quick.ended, "exit status 3");
  });

  it("does not start from a program that is not there", async () => {
    const { start } = host();
    await assert.rejects(start({ file: "/nowhere/server", args: [] }, "ganesha", ""), /could not be started/);
  });

  it("is killed when it does not end as asked", async () => {
    const { start, places } = host({ endTimeoutMs: 100 });
    const child = await start(stubborn, "ganesha", "");
    started.push(child.pid);
    while (!readFileSync(places.log, "utf8").includes("deaf")) await turn();
    await child.end();
    assert.equal(await child.ended, "killed by SIGKILL");
    assert.equal(identityOf(child.pid), undefined);
  });
});

describe("process table", () => {
  it("knows this very process", () => {
    const identity = identityOf(process.pid);
    assert.ok(identity !== undefined && isAlive(identity));
    assert.equal(isAlive({ ...identity, startTicks: identity.startTicks + 1 }), false);
    assert.equal(identityOf(2 ** 22 + 1), undefined);
  });

  it("finds nobody who runs a command that nobody runs", () => {
    assert.deepEqual(processesOf({ file: "node", args: ["--no-such-process", directory] }), []);
  });
});
