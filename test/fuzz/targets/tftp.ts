import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { decode, encode } from "../../../server/tftp/codec.ts";
import { negotiate } from "../../../server/tftp/negotiate.ts";
import { defaultPatience } from "../../../server/tftp/round-trip.ts";
import {
  begin,
  blockCount,
  step,
  type Transfer,
  type TransferAction,
} from "../../../server/tftp/transfer.ts";
import type { TftpPacket } from "../../../server/tftp/packet.ts";
import { DecodeError } from "../../../server/lib/errors.ts";
import { goldenPacket } from "../../unit/tftp/golden-packets.ts";
import type { FuzzTarget } from "../fuzzer.ts";

const golden = readdirSync(new URL("../../unit/tftp/golden/", import.meta.url))
  .filter((file) => file.endsWith(".hex"))
  .map((file) => new Uint8Array(goldenPacket(file.replace(".hex", ""))));
const words = [
  "octet\0",
  "netascii\0",
  "blksize\0",
  "tsize\0",
  "timeout\0",
  "windowsize\0",
  "1468\0",
  "65464\0",
  "0\0",
].map((text) => new Uint8Array(Buffer.from(text)));
const limits = { blockBytes: 1468, windowBlocks: 64, windowBytes: 1024 * 1024 };

/** Datagrams, and the agreement that their options lead to. */
export const tftpCodec: FuzzTarget = {
  name: "tftp-codec",
  seeds: [
    ...golden,
    Uint8Array.of(0, 4, 0, 1),
    Uint8Array.of(0, 3, 0, 1, 65),
    Uint8Array.of(0, 5, 0, 1, 65, 0),
  ],
  words,
  longest: 1500,
  rooms: ["/server/tftp/", "/server/lib/"],
  run: (bytes) => {
    const packet = decoded(bytes);
    if (packet === undefined) return;
    assert.deepEqual(plain(decode(encode(packet))), plain(packet));
    if (packet.kind !== "rrq") return;
    const agreement = negotiate(packet.options, 1_000_000, limits);
    assert.ok(
      (agreement.blockBytes >= 8 && agreement.blockBytes <= limits.blockBytes) ||
        agreement.blockBytes === 512,
    );
    assert.ok(agreement.windowBlocks >= 1 && agreement.windowBlocks <= limits.windowBlocks);
    for (const { name } of agreement.oack) assert.ok(packet.options.some((option) => option.name === name));
  },
};

/** A client that says anything at any time: a transfer ends, stays within its file, and sends a bounded amount. */
export const tftpTransfer: FuzzTarget = {
  name: "tftp-transfer",
  seeds: [
    Uint8Array.of(0, 0, 0, 0, 1, 1, 0, 2, 1, 0, 3),
    Uint8Array.of(3, 40, 1, 0, 0, 1, 0, 4, 2, 255, 2, 255, 1, 0, 8),
  ],
  words: [
    Uint8Array.of(1, 0, 0),
    Uint8Array.of(1, 0, 1),
    Uint8Array.of(2, 255),
    Uint8Array.of(3, 0),
    Uint8Array.of(4, 0),
  ],
  longest: 400,
  rooms: ["/server/tftp/"],
  run: (bytes) => {
    const windowBlocks = 1 + ((bytes[0] ?? 0) % 16);
    const plan = {
      sizeBytes: (bytes[1] ?? 0) * 100,
      blockBytes: 512,
      windowBlocks,
      offersOptions: (bytes[0] ?? 0) > 127,
      patience: defaultPatience,
    };
    let nowMs = 0;
    let { state, actions } = begin(plan, nowMs);
    check(actions, state, blockCount(plan), windowBlocks);
    for (let at = 2; at + 1 < bytes.length; at += 3) {
      nowMs += 1 + (bytes[at + 2] ?? 0);
      ({ state, actions } = step(state, eventOf(bytes, at, nowMs)));
      check(actions, state, blockCount(plan), windowBlocks);
    }
  },
};

function eventOf(bytes: Uint8Array, at: number, nowMs: number): Parameters<typeof step>[1] {
  const high = bytes[at + 1] ?? 0;
  const low = bytes[at + 2] ?? 0;
  switch ((bytes[at] ?? 0) % 6) {
    case 0:
    case 1: {
      return { kind: "packet", packet: { kind: "ack", block: high * 256 + low }, nowMs };
    }
    case 2: {
      return { kind: "wake", nowMs };
    }
    case 3: {
      return { kind: "request-repeated", nowMs };
    }
    case 4: {
      return { kind: "packet", packet: { kind: "data", block: high, data: new Uint8Array() }, nowMs };
    }
    default: {
      return high > 240 ? { kind: "client-left", message: "gone" } : { kind: "wake", nowMs };
    }
  }
}

function check(
  actions: readonly TransferAction[],
  state: Transfer,
  blocks: number,
  windowBlocks: number,
): void {
  for (const action of actions) {
    if (action.kind !== "send-blocks") continue;
    assert.ok(action.from >= 1 && action.from <= action.to && action.to <= blocks, "blocks of the file");
    assert.ok(action.to - action.from < windowBlocks, "within the window");
  }
  if (state.kind === "sending")
    assert.ok(state.acked <= state.sent && state.sent - state.acked <= windowBlocks);
}

function decoded(bytes: Uint8Array): TftpPacket | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** Views and buffers compare unequal to plain arrays of the same bytes. */
function plain(packet: TftpPacket): unknown {
  return packet.kind === "data" ? { ...packet, data: Buffer.from(packet.data).toString("hex") } : packet;
}
