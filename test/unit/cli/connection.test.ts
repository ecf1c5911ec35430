import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { describe, it } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { chooseConfigFile } from "../../../server/cli/config-file.ts";
import { fakeHead, headDirectory, provision } from "./fake-head.ts";
import { event, upNode } from "./fixtures.ts";

describe("which configuration", () => {
  const system = "/etc/provision/provision.yaml";
  const lab = "/run/provision-lab/provision.yaml";
  const only = (file: string) => (asked: string) => asked === file;
  const cases = [
    ["the flag's", chooseConfigFile("a.yaml", "b.yaml", () => true), { file: "a.yaml", lab: false }],
    [
      "else the environment's",
      chooseConfigFile(undefined, "b.yaml", () => true),
      { file: "b.yaml", lab: false },
    ],
    ["else the system's", chooseConfigFile(undefined, "", () => true), { file: system, lab: false }],
    ["else a lab's that runs", chooseConfigFile(undefined, undefined, only(lab)), { file: lab, lab: true }],
    [
      "else the system's, which is missing",
      chooseConfigFile(undefined, undefined, () => false),
      { file: system, lab: false },
    ],
  ] as const;
  for (const [name, chosen, expected] of cases) it(name, () => assert.deepEqual(chosen, expected));

  it("one that is missing", async () => {
    const { status, stderr } = await provision(["list-nodes"], {
      env: { PROVISION_CONFIG: "/nonexistent.yaml" },
    });
    assert.equal(stderr, "provision: there is no configuration /nonexistent.yaml\ntry: provision init\n");
    assert.equal(status, 1);
  });

  it("one with faults: all are told, with their lines", async (context) => {
    const head = headDirectory(context);
    writeFileSync(
      head.config,
      "interface: eth9\naddress: 10.9.0.300\nsubnet: 10.9.0.0/24\npool: 10.9.0.250\n",
    );
    const { status, stderr } = await provision(["list-nodes", "--config", head.config]);
    assert.match(stderr, /has 2 faults\n {2}\S+:2: address: .*\n {2}\S+:4: pool: /);
    assert.equal(status, 2);
  });
});

describe("where no head runs", { concurrency: 2 }, () => {
  it("the store answers, and nothing is left behind", async (context) => {
    const head = headDirectory(context);
    const temporary = join(head.directory, "tmp");
    mkdirSync(temporary);
    const options = { env: { TMPDIR: temporary } };
    const flags = ["--kernel-argument", "quiet", "--config", head.config];
    const added = await provision(["add-group", "talkative", ...flags], options);
    assert.equal(added.stderr, "");
    assert.equal(added.status, 0);
    const { stdout } = await provision(["list-groups", "--json", "--config", head.config], options);
    const { groups } = JSON.parse(stdout) as { groups: { name: string }[] };
    assert.deepEqual(
      groups.find(({ name }) => name === "talkative"),
      { name: "talkative", kernelArguments: ["quiet"], options: [] },
    );
    assert.deepEqual(readdirSync(temporary), []);
  });

  it("a socket that a killed head left behind is no head", async (context) => {
    const head = headDirectory(context);
    const server = http.createServer();
    server.listen(head.socket);
    await once(server, "listening");
    // Node would take the socket's file away: the way it goes when a process is killed is kept by moving it.
    const { renameSync } = await import("node:fs");
    renameSync(head.socket, `${head.socket}.kept`);
    server.close();
    await once(server, "close");
    renameSync(`${head.socket}.kept`, head.socket);
    const { status, stderr } = await provision(["list-nodes", "--config", head.config]);
    assert.match(stderr, /^no nodes yet/);
    assert.equal(status, 0);
  });

  it("status says so, and fails", async (context) => {
    const head = headDirectory(context);
    const { status, stdout } = await provision(["status", "--config", head.config]);
    assert.match(stdout, /^head +no head is running \(try: provision serve\)$/m);
    assert.equal(status, 1);
  });

  it("events --follow has nothing to follow", async (context) => {
    const head = headDirectory(context);
    const { status, stderr } = await provision(["events", "--follow", "--config", head.config]);
    assert.match(stderr, /^provision: no head is running, .*\ntry: provision serve; /);
    assert.equal(status, 1);
  });

  it("a store that another process has is not touched, and that process is named", async (context) => {
    const head = headDirectory(context);
    mkdirSync(join(head.directory, "state"));
    const database = new DatabaseSync(join(head.directory, "state", "provision.db"));
    context.after(() => database.close());
    database.exec(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; CREATE TABLE x (y); COMMIT",
    );
    const { status, stderr } = await provision(["list-nodes", "--config", head.config]);
    assert.match(stderr, /^provision: the database .* is in use/);
    assert.match(stderr, new RegExp(String(process.pid)));
    assert.equal(status, 1);
  });

  it("only root may work on the store", async (context) => {
    const head = headDirectory(context);
    mkdirSync(join(head.directory, "state"), { mode: 0o500 });
    const options = { confined: true };
    const { status, stderr } = await provision(["list-nodes", "--config", head.config], options);
    assert.match(stderr, /^provision: no head is running, and only root may work on its store/);
    assert.equal(status, 1);
    assert.deepEqual(readdirSync(join(head.directory, "state")), []);
  });
});

describe("a running head", { concurrency: 2 }, () => {
  it("may refuse a user", async (context) => {
    const head = await fakeHead(context, { "GET /api/nodes": { nodes: [] } });
    chmodSync(head.socket, 0o000);
    const options = { confined: true };
    const { status, stderr } = await provision(["list-nodes", "--config", head.config], options);
    assert.match(stderr, /^provision: only root and members of the group provision may talk to the head/);
    assert.match(stderr, /^try: sudo, or join the group/m);
    assert.equal(status, 1);
    assert.deepEqual(head.requests, []);
  });

  it("that goes away in the midst of an answer is told of", async (context) => {
    const cut = (response: http.ServerResponse): void => {
      response.writeHead(200, { "content-length": 100 });
      response.write("{");
      setImmediate(() => response.destroy());
    };
    const head = await fakeHead(context, { "GET /api/nodes": cut });
    const { status, stderr } = await provision(["list-nodes", "--config", head.config]);
    assert.match(stderr, /^provision: the head has just stopped\ntry: provision status\n$/);
    assert.equal(status, 1);
  });

  it("a reader that wants no more is no failure", async (context) => {
    const nodes = Array.from({ length: 5000 }, (_, index) => ({ ...upNode, name: `n${index}` }));
    const head = await fakeHead(context, { "GET /api/nodes": { nodes } });
    const { spawn } = await import("node:child_process");
    const main = join(import.meta.dirname, "../../../server/cli/main.ts");
    const command = `set -o pipefail; "$0" "$1" list-nodes --config "$2" | head -1`;
    const child = spawn("bash", ["-c", command, process.execPath, main, head.config], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [chunks, errors] = await Promise.all([
      child.stdout.toArray(),
      child.stderr.toArray(),
      once(child, "close"),
    ]);
    assert.match(Buffer.concat(chunks as Buffer[]).toString(), /^NAME .*\n$/);
    assert.doesNotMatch(Buffer.concat(errors as Buffer[]).toString(), /EPIPE|provision:/);
    assert.equal(child.exitCode, 0);
  });
});

describe("events --follow", { concurrency: 2 }, () => {
  const stream =
    (...lines: string[]) =>
    (response: http.ServerResponse) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(lines.join(""));
    };
  const line = (sequence: number, words: string): string =>
    `id: ${sequence}\ndata: ${JSON.stringify(event(sequence, "n001", words))}\n\n`;

  it("prints the past, then what happens, each once, until Ctrl-C", async (context) => {
    const head = await fakeHead(context, {
      "GET /api/events": { events: [event(1, "n001", "one"), event(2, "n001", "two")] },
      "GET /api/events/stream": stream(line(2, "two"), ":\n\n", line(3, "three")),
    });
    const { status, stdout, stderr } = await provision(["events", "n001", "-f", "--config", head.config], {
      interruptAt: "three",
    });
    assert.deepEqual(
      stdout
        .trimEnd()
        .split("\n")
        .map((text) => text.split("  ").at(-1)),
      ["one", "two", "three"],
    );
    assert.equal(stderr, "provision: interrupted\n");
    assert.equal(status, 130);
    assert.deepEqual(
      head.requests.map(({ url }) => url),
      ["/api/events/stream?range=n001", "/api/events?range=n001&limit=50"],
    );
  });

  it("--json is an object a line; it ends with the head", async (context) => {
    const head = await fakeHead(context, {
      "GET /api/events/stream": (response: http.ServerResponse) =>
        response.end(line(1, "one") + line(2, "two")),
    });
    const words = ["events", "--follow", "--limit", "0", "--json", "--config", head.config];
    const { status, stdout, stderr } = await provision(words);
    assert.deepEqual(
      stdout
        .trimEnd()
        .split("\n")
        .map((text) => (JSON.parse(text) as { sequence: number }).sequence),
      [1, 2],
    );
    assert.equal(stderr, "provision: the head has stopped\ntry: provision status\n");
    assert.equal(status, 1);
  });

  it("a range that the head refuses is an error", async (context) => {
    const refused = { status: 404, answer: { code: "not-found", message: "no such node: n9", faults: [] } };
    const head = await fakeHead(context, { "GET /api/events/stream": refused });
    const { status, stderr } = await provision(["events", "n9", "--follow", "--config", head.config]);
    assert.equal(stderr, "provision: no such node: n9\n");
    assert.equal(status, 1);
  });
});

describe("the wrapper", () => {
  it("is found through links and from any directory, and passes the exit status on", async (context) => {
    const head = headDirectory(context);
    const { symlinkSync } = await import("node:fs");
    const { execFile } = await import("node:child_process");
    const link = join(head.directory, "provision");
    symlinkSync(join(import.meta.dirname, "../../../scripts/provision"), link);
    assert.ok(existsSync(link));
    const outcome = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
      execFile(link, ["frobnicate"], { cwd: "/" }, (error, _, stderr) =>
        resolve({ code: error?.code, stderr }),
      );
    });
    assert.deepEqual(outcome, {
      code: 2,
      stderr: "provision: unknown command 'frobnicate'\ntry: provision --help\n",
    });
  });
});
