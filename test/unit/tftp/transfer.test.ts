import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TftpPacket } from "../../../server/tftp/packet.ts";
import { type Patience, defaultPatience } from "../../../server/tftp/round-trip.ts";
import {
  type Transfer,
  type TransferEvent,
  type TransferPlan,
  type TransferStep,
  begin,
  blockCount,
  step,
  wireBlock,
} from "../../../server/tftp/transfer.ts";

/** One transfer against a clock that is moved by hand: what was sent is read as `oack`, `1`, `5-8`, `error 0`. */
class Transcript {
  nowMs = 0;
  state: Transfer;
  sent: string[];

  constructor(plan: Partial<TransferPlan>) {
    const first = begin(
      {
        sizeBytes: 0,
        blockBytes: 512,
        windowBlocks: 1,
        offersOptions: false,
        patience: defaultPatience,
        ...plan,
      },
      0,
    );
    this.state = first.state;
    this.sent = shown(first);
  }

  at(nowMs: number): this {
    this.nowMs = nowMs;
    return this;
  }

  ack(block: number): this {
    return this.packet({ kind: "ack", block });
  }

  packet(packet: TftpPacket): this {
    return this.feed({ kind: "packet", packet, nowMs: this.nowMs });
  }

  /** Time passes up to the transfer's own alarm. */
  sleep(): this {
    assert.ok(this.state.kind !== "ended", "nothing to wait for");
    return this.at(this.state.wakeAtMs).feed({ kind: "wake", nowMs: this.nowMs });
  }

  feed(event: TransferEvent): this {
    const next = step(this.state, event);
    this.state = next.state;
    this.sent = shown(next);
    return this;
  }

  expect(...sent: string[]): this {
    assert.deepEqual(this.sent, sent);
    return this;
  }

  expectWaitMs(waitMs: number): this {
    assert.ok(this.state.kind !== "ended");
    assert.equal(this.state.wakeAtMs - this.nowMs, waitMs);
    return this;
  }

  expectEnd(outcome: string, bytes: number, message?: RegExp): void {
    assert.ok(this.state.kind === "ended", `still ${this.state.kind}`);
    assert.equal(this.state.outcome, outcome);
    assert.equal(this.state.bytes, bytes);
    if (message === undefined) assert.equal(this.state.message, undefined);
    else assert.match(this.state.message ?? "", message);
  }
}

function shown(next: TransferStep): string[] {
  return next.actions.map((action) => {
    switch (action.kind) {
      case "send-oack":
        return "oack";
      case "send-blocks":
        return `${action.from}${action.from === action.to ? "" : `-${action.to}`}${action.probe ? " probe" : ""}`;
      case "send-error":
        return `error ${action.code}`;
    }
  });
}

test("a file of three blocks, block by block", () => {
  const transfer = new Transcript({ sizeBytes: 1200 }).expect("1");
  transfer.at(1).ack(1).expect("2").at(2).ack(2).expect("3").at(3).ack(3).expect();
  transfer.expectEnd("done", 1200);
});

test("an empty file is one empty block", () => {
  new Transcript({ sizeBytes: 0 }).expect("1").ack(1).expect().expectEnd("done", 0);
});

test("a size that is a multiple of the block ends with an empty block", () => {
  assert.equal(blockCount(planOf({ sizeBytes: 1024 })), 3);
  assert.equal(blockCount(planOf({ sizeBytes: 1023 })), 2);
  new Transcript({ sizeBytes: 512 }).expect("1").ack(1).expect("2").ack(2).expectEnd("done", 512);
});

test("options are offered first; their ACK starts the data", () => {
  const transfer = new Transcript({ sizeBytes: 600, offersOptions: true }).expect("oack");
  transfer.ack(1).expect(); // only block 0 acknowledges an OACK
  transfer.ack(0).expect("1").ack(1).expect("2").ack(2).expectEnd("done", 600);
});

test("EDK2's size probe: offer, error 8, no failure", () => {
  const transfer = new Transcript({ sizeBytes: 284_672, offersOptions: true }).expect("oack");
  transfer.packet({ kind: "error", code: 8, message: "User aborted the transfer" }).expect();
  transfer.expectEnd("aborted", 0, /User aborted/);
});

test("a lost OACK is sent again, and starts the data when it is answered", () => {
  const transfer = new Transcript({ sizeBytes: 10, offersOptions: true }).expectWaitMs(500);
  transfer.sleep().expect("oack").expectWaitMs(1000).sleep().expect("oack").expectWaitMs(2000);
  transfer.ack(0).expect("1");
});

test("a request that comes again gets its first answer again, until the client has answered", () => {
  const again: TransferEvent = { kind: "request-repeated", nowMs: 5 };
  const offered = new Transcript({ sizeBytes: 10, offersOptions: true });
  offered.feed(again).expect("oack").ack(0).expect("1").feed(again).expect();
  const plain = new Transcript({ sizeBytes: 600 }).feed(again).expect("1");
  plain.ack(1).expect("2").feed(again).expect();
});

test("lost data is sent again after the measured time, not after a second", () => {
  const transfer = new Transcript({ sizeBytes: 5000 }).at(8).ack(1).expect("2");
  // A round trip of 8 ms, so the floor holds.
  transfer.expectWaitMs(50).sleep().expect("2");
  assert.equal(transfer.nowMs, 58);
});

test("a slow client is given its time: mean and four times the variation", () => {
  const transfer = new Transcript({ sizeBytes: 50_000 }).at(400).ack(1).expect("2");
  transfer.expectWaitMs(400 + 4 * 200);
  transfer
    .at(800)
    .ack(2)
    .expectWaitMs(400 + 4 * 150);
});

test("the wait doubles with every silence, and keeps doubled until an unambiguous answer (Karn)", () => {
  const transfer = new Transcript({ sizeBytes: 5000 }).at(1).ack(1).expectWaitMs(50);
  transfer.sleep().expect("2").expectWaitMs(100).sleep().expect("2").expectWaitMs(200);
  transfer
    .at(transfer.nowMs + 190)
    .ack(2)
    .expect("3")
    .expectWaitMs(200);
  transfer
    .at(transfer.nowMs + 1)
    .ack(3)
    .expect("4")
    .expectWaitMs(50);
});

test("an answer that comes promptly after a repeat ends the longer wait: the first was lost, not late", () => {
  const transfer = new Transcript({ sizeBytes: 5000 }).at(1).ack(1).expectWaitMs(50);
  transfer.sleep().expect("2").expectWaitMs(100).sleep().expect("2").expectWaitMs(200);
  transfer
    .at(transfer.nowMs + 1)
    .ack(2)
    .expect("3")
    .expectWaitMs(50);
});

test("the answer to blocks that were sent before is not measured: it may belong to the first time", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 40, windowBlocks: 8 }).at(1).ack(8).expectWaitMs(50);
  transfer.at(2).ack(11).expect("12-15 probe").at(502).ack(15).expect("16-20 probe").expectWaitMs(50);
  // Block 16 was in the second flight.
  transfer.at(1002).ack(20).expect("21-26 probe").expectWaitMs(50);
  // All of these were new.
  transfer.at(1502).ack(26).expect("27-33 probe");
  assert.ok(transfer.state.kind === "sending" && transfer.state.wakeAtMs - transfer.nowMs > 300);
});

test("a doubled ACK makes no second block (no Sorcerer's Apprentice)", () => {
  const transfer = new Transcript({ sizeBytes: 5000 }).at(1).ack(1).expect("2");
  transfer.ack(1).expect().ack(1).expect().ack(0).expect();
  transfer.ack(2).expect("3").ack(1).expect().ack(2).expect();
});

test("an ACK of what was never sent is ignored", () => {
  const transfer = new Transcript({ sizeBytes: 5000 }).ack(2).expect().ack(40_000).expect();
  transfer.ack(1).expect("2");
});

test("windows: one ACK for each, the last is short", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 9, windowBlocks: 4 }).expect("1-4");
  transfer
    .ack(4)
    .expect("5-8")
    .ack(8)
    .expect("9-10")
    .ack(10)
    .expectEnd("done", 512 * 9);
});

test("an ACK from inside the window goes back to the gap, with half as many blocks, then one more each time", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 40, windowBlocks: 8 }).expect("1-8");
  // A client acknowledges whole windows: the last block twice makes it answer fewer.
  transfer.at(1).ack(3).expect("4-7 probe").ack(3).expect().at(2).ack(7).expect("8-12 probe");
  transfer.ack(7).expect(); // the probe's own answer
  transfer.ack(12).expect("13-18 probe").ack(18).expect("19-25 probe").ack(25).expect("26-33");
  transfer.ack(33).expect("34-41");
});

test("gap after gap ends at one block and its probe", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 40, windowBlocks: 16 }).expect("1-16");
  transfer.ack(1).expect("2-9 probe").ack(2).expect("3-6 probe").ack(3).expect("4-5 probe");
  transfer.ack(4).expect("5 probe").ack(5).expect("6-8 probe");
});

test("what was sent before the flight became smaller may be acknowledged all the same", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 40, windowBlocks: 8 }).ack(3).expect("4-7 probe");
  // Block 4 was not lost, only late: the client has 4 to 8 by now.
  transfer.ack(8).expect("9-13 probe");
});

test("a window that is lost whole comes again whole, every third time only its beginning, and the next is smaller", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 40, windowBlocks: 8 }).at(1).ack(8).expect("9-16");
  transfer.sleep().expect("9-16").sleep().expect("9-16").sleep().expect("9 probe").sleep().expect("9 probe");
  transfer.sleep().expect("9-16").ack(16).expect("17-18 probe");
});

test("a client that answers only the last block it has is answered to: all that was sent comes again", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 40, windowBlocks: 8 }).at(1).ack(3).expect("4-7 probe");
  // It has all up to 8, and the ACK that said so was lost.
  transfer.sleep().expect("4-7 probe").sleep().expect("4-8 probe").ack(8).expect("9-10 probe");
});

test("no probe at the end of the file: its last block is acknowledged by itself", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 10, windowBlocks: 8 }).ack(8).expect("9-11");
  transfer.sleep().expect("9-11").ack(9).expect("10-11").ack(11).expectEnd("done", 5120);
});

test("a window of one block is never probed", () => {
  const transfer = new Transcript({ sizeBytes: 5000 }).at(1).ack(1).expect("2");
  transfer.sleep().expect("2").sleep().expect("2").sleep().expect("2").ack(2).expect("3");
});

test("a late ACK of an earlier window does not move the later one", () => {
  const transfer = new Transcript({ sizeBytes: 512 * 30, windowBlocks: 8 }).ack(8).ack(16).expect("17-24");
  transfer.ack(8).expect().ack(12).expect().ack(24).expect("25-31");
});

test("block numbers roll over from 65535 to 0", () => {
  assert.deepEqual([65_535, 65_536, 65_537].map(wireBlock), [65_535, 0, 1]);
  const sizeBytes = 8 * 70_000;
  const transfer = new Transcript({ sizeBytes, blockBytes: 8 });
  for (let block = 1; block <= 70_001; block += 1) transfer.expect(`${block}`).ack(block & 0xffff);
  transfer.expectEnd("done", sizeBytes);
});

test("a window across the roll-over", () => {
  const transfer = new Transcript({ sizeBytes: 8 * 65_600, blockBytes: 8, windowBlocks: 64 });
  for (let block = 64; block <= 65_472; block += 64) transfer.ack(block);
  transfer
    .ack(65_472 + 60)
    .expect("65533-65564 probe")
    .ack(65_564 & 0xffff)
    .expect("65565-65601");
  transfer.ack(65_601 & 0xffff).expectEnd("done", 8 * 65_600);
});

test("a client that vanishes is given up after a bounded number of repeats", () => {
  const transfer = new Transcript({ sizeBytes: 5000 }).at(1).ack(1);
  let repeats = 0;
  while (transfer.state.kind !== "ended" && repeats < 100) {
    transfer.sleep();
    if (transfer.sent[0] === "2") repeats += 1;
  }
  transfer.expect("error 0").expectEnd("failed", 512, /silent/);
  assert.equal(repeats, 11);
  // 0.05 + 0.1 + … + 3.2 s, then 5 s each.
  assert.ok(transfer.nowMs > 20_000 && transfer.nowMs < 35_000, `${transfer.nowMs} ms`);
});

test("a last block that is never acknowledged is a failure that says so", () => {
  const transfer = new Transcript({ sizeBytes: 600 }).at(1).ack(1).expect("2");
  while (transfer.state.kind !== "ended") transfer.sleep();
  transfer.expectEnd("failed", 512, /last block/);
});

test("a client that acknowledges ever so slowly cannot hold a transfer for ever", () => {
  const patience: Patience = { ...defaultPatience, totalMs: 60_000 };
  const transfer = new Transcript({ sizeBytes: 500_000, patience });
  for (let block = 1; transfer.state.kind !== "ended"; block += 1) {
    transfer.at(block * 900).feed({ kind: "wake", nowMs: transfer.nowMs });
    if (transfer.state.kind === "sending") transfer.ack(block);
    assert.ok(block < 100);
  }
  transfer.expectEnd("failed", 66 * 512, /too long/);
});

test("a client that goes on to something else is gone, or finished when only its last ACK is missing", () => {
  const left: TransferEvent = { kind: "client-left", message: "the client asked for something else" };
  new Transcript({ sizeBytes: 5000 })
    .ack(1)
    .feed(left)
    .expect()
    .expectEnd("aborted", 512, /something else/);
  new Transcript({ sizeBytes: 600 }).ack(1).feed(left).expect().expectEnd("done", 600);
  const probe = new Transcript({ sizeBytes: 5, offersOptions: true });
  probe
    .feed(left)
    .expect()
    .expectEnd("aborted", 0, /something else/);
});

test("an error of the client ends the transfer without an answer", () => {
  const transfer = new Transcript({ sizeBytes: 5000 }).ack(1);
  transfer.packet({ kind: "error", code: 3, message: "disk full" }).expect();
  transfer.expectEnd("aborted", 512, /disk full/);
  new Transcript({ sizeBytes: 1 })
    .packet({ kind: "error", code: 0, message: "" })
    .expectEnd("aborted", 0, /error 0/);
});

test("a file that cannot be read, and a server that stops, are told to the client", () => {
  const unreadable: TransferEvent = { kind: "unreadable", message: "disk trouble" };
  new Transcript({ sizeBytes: 5000 })
    .feed(unreadable)
    .expect("error 0")
    .expectEnd("failed", 0, /disk trouble/);
  const stops: TransferEvent = { kind: "server-stops" };
  new Transcript({ sizeBytes: 5000 }).feed(stops).expect("error 0").expectEnd("failed", 0, /stops/);
});

test("packets that make no sense here change nothing, and an ended transfer stays ended", () => {
  const transfer = new Transcript({ sizeBytes: 5000 });
  transfer.packet({ kind: "data", block: 1, data: new Uint8Array(3) }).expect();
  transfer.packet({ kind: "rrq", path: "x", mode: "octet", options: [] }).expect();
  transfer.packet({ kind: "oack", options: [] }).expect();
  transfer.feed({ kind: "wake", nowMs: 10 }).expect(); // too early
  transfer.feed({ kind: "server-stops" });
  const ended = transfer.state;
  transfer.ack(1).expect();
  assert.equal(transfer.state, ended);
});

function planOf(plan: Partial<TransferPlan>): TransferPlan {
  return {
    sizeBytes: 0,
    blockBytes: 512,
    windowBlocks: 1,
    offersOptions: false,
    patience: defaultPatience,
    ...plan,
  };
}

/**
 * Clients: one that acknowledges every gap and repeat besides every window (RFC 7440 section 4), one that does so once for
 * each gap, one that besides answers no repeat but its last block's, and one that does none of that, but repeats its last
 * ACK after a second of silence, as the two before it do, too.
 */
type Manner = "eager" | "once" | "terse" | "patient";
const clientSilenceMs = 1000;

class Receiver {
  got = 0;
  readonly #window: number;
  readonly #manner: Manner;
  #sinceAck = 0;
  #told = false;

  constructor(windowBlocks: number, manner: Manner) {
    this.#window = windowBlocks;
    this.#manner = manner;
  }

  take(block: number, last: number): number | undefined {
    if (wireBlock(this.got + 1) !== wireBlock(block)) {
      const isRepeat = ((this.got - block) & 0xffff) < 0x8000;
      if (this.#manner === "patient" || (this.#manner === "once" && this.#told && !isRepeat))
        return undefined;
      this.#told = true;
      this.#sinceAck = 0;
      return wireBlock(this.got);
    }
    this.#told = false;
    this.got += 1;
    this.#sinceAck += 1;
    if (this.#sinceAck < this.#window && this.got !== last) return undefined;
    this.#sinceAck = 0;
    return wireBlock(this.got);
  }
}

type Letter = { atMs: number; toClient: boolean; block: number };

/** Both sides over a network that loses, doubles and delays; answers how many data packets were sent. */
function simulate(
  plan: TransferPlan,
  chance: () => number,
  loss: number,
  doubled: number,
  manner: Manner = "eager",
): number {
  const receiver = new Receiver(plan.windowBlocks, manner);
  let heardAtMs = 0;
  const blocks = blockCount(plan);
  const mail: Letter[] = [];
  let nowMs = 0;
  let dataPackets = 0;
  const post = (toClient: boolean, block: number) => {
    const copies = chance() < doubled ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (chance() >= loss) mail.push({ atMs: nowMs + 1 + chance() * 20, toClient, block });
    }
  };
  const first = begin(plan, nowMs);
  let { state } = first;
  const follow = (next: TransferStep) => {
    state = next.state;
    for (const action of next.actions) {
      if (action.kind !== "send-blocks") continue;
      for (let block = action.from; block <= action.to; block += 1) {
        dataPackets += 1;
        post(true, wireBlock(block));
        if (action.probe && block === action.to) post(true, wireBlock(block));
      }
    }
  };
  follow(first);
  for (let turn = 0; state.kind !== "ended"; turn += 1) {
    assert.ok(turn < 200_000, "no end");
    mail.sort((one, other) => one.atMs - other.atMs);
    const letter = mail[0];
    const next = Math.min(letter?.atMs ?? Number.POSITIVE_INFINITY, state.wakeAtMs);
    if (manner !== "eager" && receiver.got < blocks && heardAtMs + clientSilenceMs < next) {
      nowMs = heardAtMs + clientSilenceMs;
      heardAtMs = nowMs;
      post(false, wireBlock(receiver.got));
      continue;
    }
    if (letter === undefined || letter.atMs > state.wakeAtMs) {
      nowMs = state.wakeAtMs;
      follow(step(state, { kind: "wake", nowMs }));
      continue;
    }
    mail.shift();
    nowMs = letter.atMs;
    if (letter.toClient) {
      heardAtMs = nowMs;
      const answer = receiver.take(letter.block, blocks);
      if (answer !== undefined) post(false, answer);
    } else {
      follow(step(state, { kind: "packet", packet: { kind: "ack", block: letter.block }, nowMs }));
    }
  }
  // Whoever ignores repeats says nothing more when its last ACK was lost.
  if (manner !== "patient") assert.equal(state.outcome, "done", state.message ?? "");
  assert.equal(receiver.got, blocks);
  return dataPackets;
}

test("over a network that loses, doubles and reorders, every transfer arrives", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 60_000 }),
      fc.constantFrom(1, 2, 4, 16),
      fc.double({ min: 0, max: 0.15, noNaN: true }),
      fc.double({ min: 0, max: 0.2, noNaN: true }),
      fc.constantFrom<Manner>("eager", "once", "terse", "patient"),
      fc.integer(),
      (sizeBytes, windowBlocks, loss, doubled, manner, seed) => {
        const plan = planOf({ sizeBytes, windowBlocks, patience: { ...defaultPatience, repeats: 30 } });
        const sent = simulate(plan, chanceOf(seed), loss, doubled, manner);
        // What a gap makes to be sent again is a window at most; packets that overtake one another are gaps as well.
        const blocks = blockCount(plan);
        assert.ok(
          sent <= 40 + blocks * (windowBlocks === 1 ? 3 : 1 + 2 * windowBlocks),
          `${sent} for ${blocks}`,
        );
      },
    ),
    { numRuns: 150 },
  );
});

test("block by block, doubled packets cost nothing: no more data packets than blocks without loss", () => {
  const plan = planOf({ sizeBytes: 512 * 300 });
  assert.equal(simulate(plan, chanceOf(7), 0, 0.5), blockCount(plan));
});

/** A small seeded generator (mulberry32): the same numbers on every run. */
function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
