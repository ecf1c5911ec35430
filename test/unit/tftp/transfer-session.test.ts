import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ChunkCache } from "../../../server/tftp/chunk-cache.ts";
import { decode } from "../../../server/tftp/codec.ts";
import { defaultPatience } from "../../../server/tftp/round-trip.ts";
import { type ServedFile, fileInMemory } from "../../../server/tftp/served-file.ts";
import { TimerWheel } from "../../../server/tftp/timer-wheel.ts";
import { type SessionEnd, TransferSession } from "../../../server/tftp/transfer-session.ts";

type Scene = {
  session: TransferSession;
  /** What was sent since the last look: `data 1`, `oack`, `error 0`. */
  sent: () => string[];
  ends: SessionEnd[];
  /** Moves the clock, and lets pending promises run. */
  pass: (ms: number) => Promise<void>;
};

/** A session with a wire that only writes down, and a clock that is moved by hand. */
function scene(t: TestContext, file: ServedFile, windowBlocks = 1, offersOptions = false): Scene {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let nowMs = 0;
  let sent: string[] = [];
  const ends: SessionEnd[] = [];
  const clock = { nowMs: () => nowMs };
  const session = new TransferSession({
    plan: {
      sizeBytes: file.sizeBytes,
      blockBytes: 512,
      windowBlocks,
      offersOptions,
      patience: defaultPatience,
    },
    oack: [],
    file,
    wire: {
      send: (datagram) => {
        const packet = decode(datagram);
        sent.push(packet.kind === "error" ? `error ${packet.code}` : packet.kind);
      },
      sendBlock: (head) => {
        assert.equal(head >>> 16, 3);
        sent.push(`data ${head & 0xffff}`);
      },
    },
    chunks: new ChunkCache({ limitBytes: 0, blockBytes: 512 }),
    clock,
    wheel: new TimerWheel(clock, 1),
    onEnd: (end) => ends.push(end),
  });
  return {
    session,
    sent: () => {
      const seen = sent;
      sent = [];
      return seen;
    },
    ends,
    pass: async (ms) => {
      for (let step = 0; step < ms; step += 1) {
        nowMs += 1;
        t.mock.timers.tick(1);
      }
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    },
  };
}

function slowFile(sizeBytes: number): { file: ServedFile; arrive: () => void; fail: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  return {
    file: { sizeBytes, read: () => promise, close: () => Promise.resolve() },
    arrive: () => resolve(new Uint8Array(sizeBytes)),
    fail: () => reject(new Error("disk trouble")),
  };
}

test("what is in memory leaves in the same turn", (t) => {
  const { session, sent, ends } = scene(t, fileInMemory(new Uint8Array(1000)), 4);
  session.start();
  assert.deepEqual(sent(), ["data 1", "data 2"]);
  session.receive({ kind: "ack", block: 2 });
  assert.deepEqual(ends, [{ outcome: "done", message: undefined, bytes: 1000, repeats: 0 }]);
});

test("a disk that is slower than the timer makes no second copy of a block", async (t) => {
  const { file, arrive } = slowFile(600);
  const { session, sent, pass } = scene(t, file, 1);
  session.start();
  await pass(1000);
  session.requestRepeated();
  assert.deepEqual(sent(), []);
  arrive();
  await pass(1);
  assert.deepEqual(sent(), ["data 1"]);
});

test("a transfer that ended while the disk was read sends nothing more", async (t) => {
  const { file, arrive } = slowFile(600);
  const { session, sent, pass, ends } = scene(t, file);
  session.start();
  session.receive({ kind: "error", code: 0, message: "enough" });
  arrive();
  await pass(1);
  assert.deepEqual(sent(), []);
  assert.equal(ends.length, 1);
});

test("a read that fails ends the transfer once, whether it fails at once or later", async (t) => {
  const throws: ServedFile = {
    ...fileInMemory(new Uint8Array(0)),
    sizeBytes: 600,
    read: () => {
      throw new Error("disk trouble");
    },
  };
  const sync = scene(t, throws);
  sync.session.start();
  assert.deepEqual(sync.sent(), ["error 0"]);
  assert.deepEqual(sync.ends, [{ outcome: "failed", message: "disk trouble", bytes: 0, repeats: 0 }]);
  t.mock.timers.reset();
  const { file, fail } = slowFile(600);
  const later = scene(t, file);
  later.session.start();
  fail();
  await later.pass(1);
  assert.deepEqual(later.sent(), ["error 0"]);
  assert.equal(later.ends.length, 1);
});

test("the timer follows the transfer: later after an answer, sooner once the way is measured", async (t) => {
  const { session, sent, pass, ends } = scene(t, fileInMemory(new Uint8Array(5000)), 1, true);
  session.start();
  assert.deepEqual(sent(), ["oack"]);
  await pass(499);
  assert.deepEqual(sent(), []);
  await pass(1);
  assert.deepEqual(sent(), ["oack"]);
  session.receive({ kind: "ack", block: 0 });
  await pass(10);
  session.receive({ kind: "ack", block: 1 });
  assert.deepEqual(sent(), ["data 1", "data 2"]);
  await pass(30);
  session.receive({ kind: "ack", block: 2 });
  assert.deepEqual(sent(), ["data 3"]);
  await pass(49);
  assert.deepEqual(sent(), []);
  await pass(60);
  assert.deepEqual(sent(), ["data 3"]);
  assert.equal(ends.length, 0);
  session.stop();
  assert.equal(ends[0]?.repeats, 2);
  await pass(10_000);
  assert.deepEqual(sent(), ["error 0"]);
});
