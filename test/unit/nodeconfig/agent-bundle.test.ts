import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { bundleAgent } from "../../../server/nodeconfig/agent-bundle.ts";
import { FakeHead } from "../agent/fake-head.ts";

const scratch = mkdtempSync(join(tmpdir(), "bundle-"));
const agentFile = join(scratch, "agent.mjs");
const config = join(scratch, "agent.json");

describe("agent bundle", { timeout: 60_000 }, () => {
  let text: string;
  const head = new FakeHead();
  const children: ChildProcess[] = [];

  before(async () => {
    text = Buffer.from(await bundleAgent()).toString();
    writeFileSync(agentFile, text);
    await head.start();
    writeFileSync(config, JSON.stringify({ url: head.url, node: "n001", token: "boot-token" }));
  });
  after(async () => {
    for (const child of children) if (child.exitCode === null) child.kill("SIGKILL");
    await head.stop();
    rmSync(scratch, { recursive: true });
  });

  /** An agent whose `systemctl` prints the given text. */
  function start(
    state: string,
    systemctl: string,
  ): { child: ChildProcess; output: () => string; exit: Promise<unknown[]> } {
    const path = join(scratch, `bin-${state}`);
    mkdirSync(path);
    writeFileSync(join(path, "systemctl"), `#!/bin/sh\necho "${systemctl}"\n`);
    chmodSync(join(path, "systemctl"), 0o755);
    const child = spawn(process.execPath, [agentFile, config, join(scratch, state)], {
      env: { PATH: `${path}:${process.env["PATH"]}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    return { child, output: () => output, exit: once(child, "close") };
  }

  it("is one legible file that imports nothing but Node's own modules", () => {
    const imports = [...text.matchAll(/^import .* from "(.*)";$/gm)].map((match) => match[1] ?? "");
    assert.ok(imports.length > 0 && imports.every((name) => name.startsWith("node:")), imports.join(" "));
    // Importing this one loads undici too; see agent/head-client.ts.
    assert.ok(!imports.includes("node:http"));
    assert.ok(!text.includes("import(") && !text.includes("require("));
    assert.match(text, /^function parseConfig\(text, file\) \{$/m);
    assert.ok(text.length < 100_000);
  });

  it("is the same bytes each time", async () => {
    assert.equal(Buffer.from(await bundleAgent()).toString(), text);
  });

  it("runs, reports, and says goodbye when the machine goes down", async () => {
    const agent = start("down", "Job=7");
    await head.until((received) => received.some(({ path }) => path === "POST /report"));
    assert.deepEqual(head.paths().slice(0, 3), ["POST /credential", "POST /phase", "POST /report"]);
    const [, , report] = head.received;
    assert.ok(report && "hardware" in report.body && "load" in report.body);
    agent.child.kill("SIGTERM");
    assert.deepEqual(await agent.exit, [0, null]);
    const last = head.received.at(-1);
    assert.equal(last?.path, "POST /phase");
    assert.equal(last?.body["phase"], "stopping");
    assert.equal(last?.secret, report.secret);
    assert.deepEqual(agent.output().trimEnd().split("\n"), [
      `agent of n001 reports to ${head.url}`,
      "the head has taken this node's credential",
      "the head knows that this node is up",
      "told the head that this node stops (204)",
    ]);
  });

  it("goes without a word to the head when only the agent is stopped", async () => {
    const agent = start("restart", "ActiveState=inactive");
    const before = head.received.length;
    await head.until((received) => received.slice(before).some(({ path }) => path === "POST /report"));
    agent.child.kill("SIGTERM");
    assert.deepEqual(await agent.exit, [0, null]);
    assert.ok(!head.received.slice(before).some(({ body }) => body["phase"] === "stopping"));
  });

  it("exits within its limit when the machine goes down and the head does not answer", async () => {
    const agent = start("mute", "Job=7");
    const before = head.received.length;
    await head.until((received) => received.slice(before).some(({ path }) => path === "POST /report"));
    head.reply = () => "hang";
    const startedMs = performance.now();
    agent.child.kill("SIGTERM");
    assert.deepEqual(await agent.exit, [0, null]);
    assert.ok(performance.now() - startedMs < 10_000);
    assert.match(agent.output(), /could not tell the head that this node stops: .*no answer within 1000 ms/);
    head.reply = () => 204;
  });

  it("says what is wrong with its configuration and exits", async () => {
    writeFileSync(config, "{}");
    const agent = start("faulty", "");
    assert.deepEqual(await agent.exit, [1, null]);
    assert.match(
      agent.output(),
      /^\S+agent\.json: url: not http:\/\/HOST:PORT\/PATH; node: missing; token: missing\n$/,
    );
  });
});
