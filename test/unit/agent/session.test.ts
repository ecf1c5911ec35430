import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Hardware, Load } from "../../../agent/contract.ts";
import { connectHead } from "../../../agent/head-client.ts";
import { Session } from "../../../agent/session.ts";
import { FakeHead, type Received } from "./fake-head.ts";

const scratch = mkdtempSync(join(tmpdir(), "session-"));
after(() => rmSync(scratch, { recursive: true }));
let directories = 0;

const load: Load = { average: [0, 0, 0], runnable: 0, memoryAvailableBytes: 1, cpuBusy: 0 };
const hardware = { kernel: "6.12", nics: [] } as unknown as Hardware;

/** An agent with a clock that the sleeps move, so that nothing is waited for but the head. */
class TestAgent {
  readonly lines: string[] = [];
  /** Every sleep, in milliseconds. */
  readonly sleeps: number[] = [];
  hardware: Hardware = hardware;
  outline = "eth0=1";
  /** Called in every sleep, for what happens in the meantime. */
  meanwhile: (ms: number) => void | Promise<void> = () => undefined;
  session: Session;
  #stop = new AbortController();
  #running: Promise<unknown>;
  #head: ReturnType<typeof connectHead>;

  constructor(head: FakeHead, credentialFile: string, token = "boot-token") {
    let nowMs = 0;
    this.#head = connectHead(head.url);
    this.session = new Session(
      {
        config: { url: head.url, node: "n001", token },
        credentialFile,
        head: this.#head,
        machine: { load: () => load, hardware: () => this.hardware, outline: () => this.outline },
        clock: {
          nowMs: () => nowMs,
          uptimeSeconds: () => 60 + nowMs / 1000,
          chance: () => 1,
          sleep: async (ms, signal) => {
            await turn();
            signal.throwIfAborted();
            this.sleeps.push(ms);
            nowMs += ms;
            await this.meanwhile(ms);
          },
        },
        say: (line) => this.lines.push(line),
      },
      this.#stop.signal,
    );
    this.#running = this.session.run().catch((error: unknown) => error);
  }

  /** Ends the conversation; the connection stays. */
  async halt(): Promise<void> {
    this.#stop.abort();
    const error = await this.#running;
    assert.equal((error as Error).name, "AbortError", String((error as Error).stack));
  }

  async stop(): Promise<void> {
    await this.halt();
    this.#head.close();
  }
}

describe("session with the head", { timeout: 20_000 }, () => {
  let head: FakeHead;
  let file: string;
  let agents: TestAgent[];

  beforeEach(async () => {
    head = new FakeHead();
    await head.start();
    file = join(scratch, String(directories++), "credential");
    agents = [];
  });
  afterEach(async () => {
    for (const agent of agents) await agent.stop();
    await head.stop();
  });

  function start(token?: string): TestAgent {
    const agent = new TestAgent(head, file, token);
    agents.push(agent);
    return agent;
  }

  const reports = (received: readonly Received[]): Received[] =>
    received.filter(({ path }) => path === "POST /report");
  const reported = (times: number) => (received: readonly Received[]) => reports(received).length >= times;

  it("goes from the boot token to reports over one connection", async () => {
    const agent = start();
    await head.until(reported(3));
    assert.deepEqual(head.paths().slice(0, 4), [
      "POST /credential",
      "POST /phase",
      "POST /report",
      "POST /report",
    ]);
    const [exchange, up, first, second] = head.received;
    assert.equal(exchange?.secret, "boot-token");
    const secret = up?.secret ?? "";
    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.deepEqual(exchange?.body, { credentialDigest: createHash("sha256").update(secret).digest("hex") });
    assert.deepEqual(up?.body, { phase: "up", uptimeSeconds: 60 });
    assert.deepEqual(first, { path: "POST /report", secret, body: { uptimeSeconds: 60, load, hardware } });
    assert.deepEqual(second, { path: "POST /report", secret, body: { uptimeSeconds: 62, load } });
    assert.equal(head.connections, 1);
    assert.deepEqual(agent.lines, [
      "the head has taken this node's credential",
      "the head knows that this node is up",
    ]);
  });

  it("never tells the credential itself before the head has its digest", async () => {
    head.reply = ({ path }) => (path === "POST /credential" ? 503 : 204);
    start();
    await head.until((received) => received.length >= 3);
    const { secret } = JSON.parse(readFileSync(file, "utf8")) as { secret: string };
    assert.ok(!JSON.stringify(head.received).includes(secret));
    assert.deepEqual([...new Set(head.received.map((one) => one.secret))], ["boot-token"]);
  });

  it("keeps the credential where only root reads it", async () => {
    start();
    await head.until(reported(1));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(file, "..")).mode & 0o777, 0o700);
    assert.ok(!readFileSync(file, "utf8").includes("boot-token"));
  });

  it("waits for a head that is down, with growing pauses, and says so once", async () => {
    await head.stop();
    const agent = start();
    const { promise: patient, resolve } = Promise.withResolvers<void>();
    agent.meanwhile = () => (agent.sleeps.length >= 40 ? (resolve(), head.start()) : undefined);
    await patient;
    agent.meanwhile = () => undefined;
    await head.until(reported(1));
    assert.deepEqual(agent.sleeps.slice(0, 6), [500, 1000, 2000, 4000, 4000, 4000]);
    assert.deepEqual(head.paths().slice(0, 3), ["POST /credential", "POST /phase", "POST /report"]);
    const [down, again, ...rest] = agent.lines;
    assert.match(
      down ?? "",
      /^no good answer from the head to POST http:\S+\/credential \(.*ECONNREFUSED.*\); trying on$/,
    );
    assert.match(again ?? "", /^the head answers again, after 15\d s$/);
    assert.equal(rest.length, 2);
  });

  it("repeats the exchange with the same digest when the answer was lost", async () => {
    let lost = 0;
    head.reply = ({ path }) => (path === "POST /credential" && lost++ < 2 ? "cut" : 204);
    start();
    await head.until(reported(1));
    const digests = head.received.filter(({ path }) => path === "POST /credential").map(({ body }) => body);
    assert.equal(digests.length, 3);
    assert.deepEqual(digests[1], digests[0]);
    assert.deepEqual(digests[2], digests[0]);
  });

  it("repeats it with the same digest even when the agent died before the answer", async () => {
    head.reply = () => "cut";
    start();
    await head.until((received) => received.length >= 1);
    await agents.pop()?.stop();
    head.reply = () => 204;
    const before = head.received.length;
    start();
    await head.until(reported(1));
    assert.equal(head.paths()[before], "POST /credential");
    assert.deepEqual(head.received[before]?.body, head.received[0]?.body);
  });

  it("goes straight on with reports when it restarts within a boot, hardware first", async () => {
    start();
    await head.until(reported(2));
    await agents.pop()?.stop();
    const before = head.received.length;
    start();
    await head.until((received) => received.length >= before + 2);
    const [again] = head.received.slice(before);
    assert.equal(again?.path, "POST /report");
    assert.equal(again?.secret, head.received[1]?.secret);
    assert.deepEqual(again?.body["hardware"], hardware);
  });

  it("makes a new credential in a new boot", async () => {
    start("token of boot 1");
    await head.until(reported(1));
    await agents.pop()?.stop();
    const before = head.received.length;
    start("token of boot 2");
    await head.until((received) => received.length >= before + 3);
    const [exchange] = head.received.slice(before);
    assert.equal(exchange?.path, "POST /credential");
    assert.equal(exchange?.secret, "token of boot 2");
    assert.notDeepEqual(exchange?.body, head.received[0]?.body);
  });

  it("says that it stops, and in the same boot that it is up again", async () => {
    const agent = start();
    await head.until(reported(1));
    await agent.halt();
    await agent.session.sayStopping(1000);
    await agents.pop()?.stop();
    const last = head.received.at(-1);
    assert.deepEqual(
      [last?.path, last?.secret, last?.body["phase"]],
      ["POST /phase", head.received[1]?.secret, "stopping"],
    );
    const before = head.received.length;
    start();
    await head.until((received) => received.length >= before + 2);
    assert.deepEqual(head.paths().slice(before, before + 2), ["POST /phase", "POST /report"]);
  });

  it("does not trip over a credential file that was cut short", async () => {
    start();
    await head.until(reported(1));
    await agents.pop()?.stop();
    for (const text of ["", "{", "null", '{"boot":1}']) {
      writeFileSync(file, text);
      const before = head.received.length;
      start();
      await head.until((received) => received.length >= before + 3);
      assert.equal(head.paths()[before], "POST /credential");
      await agents.pop()?.stop();
    }
  });

  it("asks slowly and for ever when its token is refused, and says what to do once", async () => {
    head.reply = () => 403;
    const agent = start();
    await head.until((received) => received.length >= 8);
    assert.deepEqual(new Set(head.paths()), new Set(["POST /credential"]));
    assert.deepEqual(agent.sleeps.slice(0, 5), [10_000, 20_000, 40_000, 60_000, 60_000]);
    assert.equal(agent.lines.length, 1);
    assert.match(agent.lines[0] ?? "", /refuses this boot's token: it is spent, unknown .* Reboot the node/);
    head.reply = () => 204;
    await head.until(reported(1));
  });

  it("exchanges anew, slowly, when its reports are refused, and sends the hardware again", async () => {
    let refuse = false;
    head.reply = ({ path }) => (refuse && path === "POST /report" ? 403 : 204);
    const agent = start();
    await head.until(reported(2));
    refuse = true;
    const before = head.received.length;
    await head.until((received) => received.length >= before + 4);
    refuse = false;
    const at = head.received.length;
    await head.until((received) => received.length >= at + 4);
    const paths = head
      .paths()
      .slice(before)
      .join(" ")
      .replace(/^(POST \/report )+/, "POST /report ");
    assert.match(paths, /^POST \/report POST \/credential POST \/phase POST \/report/);
    assert.deepEqual(
      head.received.filter(({ path }) => path === "POST /credential").map(({ body }) => JSON.stringify(body)),
      head.received
        .filter(({ path }) => path === "POST /credential")
        .map(() => JSON.stringify(head.received[0]?.body)),
    );
    const last = head.received.findLast(({ body }) => "hardware" in body);
    assert.ok(last && head.received.indexOf(last) > before);
    assert.ok(agent.sleeps.includes(10_000));
    assert.equal(agent.lines.filter((line) => line.includes("refuses")).length, 1);
  });

  it("resumes at once over a head's restart, and tells a new head its hardware", async () => {
    const agent = start();
    await head.until(reported(2));
    let restarted = false;
    agent.meanwhile = async () => {
      if (restarted) return;
      restarted = true;
      await head.stop();
      await head.start();
    };
    const before = head.received.length;
    await head.until((received) => reports(received.slice(before)).length >= 3);
    assert.ok(restarted);
    assert.equal(head.connections, 2);
    const [, second, third] = reports(head.received.slice(before));
    assert.ok(second && "hardware" in second.body);
    assert.ok(third && !("hardware" in third.body));
    // The kept connection was gone: found out and answered by another within the same try, so nothing was said.
    assert.ok(!agent.sleeps.includes(500));
    assert.equal(agent.lines.length, 2);
  });

  it("sends the hardware again after an outage", async () => {
    const agent = start();
    await head.until(reported(2));
    head.reply = () => 503;
    await head.until((received) => received.length >= 8);
    head.reply = () => 204;
    const before = head.received.length;
    await head.until((received) => received.length >= before + 3);
    const fresh = reports(head.received.slice(before)).filter(({ body }) => "hardware" in body);
    assert.ok(fresh.length >= 1);
    assert.ok(!("hardware" in (head.received.at(-1)?.body ?? {})));
    assert.equal(agent.lines.filter((line) => line.includes("HTTP status 503")).length, 1);
    assert.equal(agent.lines.filter((line) => line.includes("answers again")).length, 1);
  });

  it("sends hardware that has changed: at once when its outline has, within 5 minutes else", async () => {
    const agent = start();
    await head.until(reported(3));
    agent.hardware = { ...hardware, nics: [{ name: "eth0", linkUp: false }] } as unknown as Hardware;
    agent.outline = "eth0=0";
    await head.until(reported(8));
    const byLink = reports(head.received).filter(({ body }) => "hardware" in body);
    assert.equal(byLink.length, 2);
    assert.deepEqual(byLink[1]?.body["hardware"], agent.hardware);

    const changedAt = reports(head.received).length;
    agent.hardware = { ...hardware, disks: [{ name: "vda" }] } as unknown as Hardware;
    await head.until((received) => reports(received).filter(({ body }) => "hardware" in body).length === 3);
    const needed = reports(head.received).length - changedAt;
    assert.ok(needed > 100 && needed <= 151, `${needed} reports, 2 s apart`);
  });

  it("works on when it cannot keep its credential", async () => {
    writeFileSync(join(scratch, "blocked"), "");
    chmodSync(join(scratch, "blocked"), 0o600);
    file = join(scratch, "blocked", "credential");
    const agent = start();
    await head.until(reported(2));
    assert.match(agent.lines[0] ?? "", /^cannot keep the credential in /);
  });
});

describe("head client", { timeout: 20_000 }, () => {
  it("gives up on a head that says nothing", async () => {
    const head = new FakeHead();
    await head.start();
    head.reply = () => "hang";
    const client = connectHead(head.url);
    await assert.rejects(client.post("/report", "s", {}, { limitMs: 50 }), /no answer within 50 ms/);
    client.close();
    await head.stop();
  });

  it("stops at once when told to", async () => {
    const head = new FakeHead();
    await head.start();
    head.reply = () => "hang";
    const client = connectHead(head.url);
    const stop = new AbortController();
    const posted = client.post("/report", "s", {}, { signal: stop.signal });
    await head.until((received) => received.length === 1);
    stop.abort();
    await assert.rejects(posted, { name: "AbortError" });
    client.close();
    await head.stop();
  });
});
