import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { DecodeError } from "../../../server/lib/errors.ts";
import {
  decodeNullReply,
  decodeWalkReply,
  encodeNullCall,
  encodeWalkCall,
  replyBytes,
  statusName,
} from "../../../server/nfs/rpc.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));

// Captured from NFS-Ganesha 4.3.
const nullReply = hex("80000018 00000007 00000001 00000000 00000000 00000000 00000000");
const walkReply = hex(`80000034 00000007 00000001 00000000 00000000 00000000 00000000
  00000000 00000000 00000002 00000018 00000000 0000000f 00000000`);
const missingReply = hex(`80000034 00000007 00000001 00000000 00000000 00000000 00000000
  00000002 00000000 00000002 00000018 00000000 0000000f 00000002`);

describe("calls", () => {
  it("ask for nothing in 40 bytes", () => {
    assert.deepEqual(
      encodeNullCall(7),
      hex(`80000028 00000007 00000000 00000002 000186a3 00000004 00000000
        00000000 00000000 00000000 00000000`),
    );
  });

  it("walk a path as root, from the server's root", () => {
    assert.deepEqual(
      encodeWalkCall(0xffffffff, "/srv/x"),
      hex(`80000070 ffffffff 00000000 00000002 000186a3 00000004 00000001
        00000001 00000020 00000000 00000009 70726f766973696f6e000000 00000000 00000000 00000000
        00000000 00000000
        00000000 00000000 00000003 00000018 0000000f 00000003 73727600 0000000f 00000001 78000000`),
    );
  });
});

describe("replies", () => {
  it("to a NULL call are accepted", () => {
    assert.doesNotThrow(() => decodeNullReply(nullReply, 7));
  });

  it("to a walk say how far it came", () => {
    assert.deepEqual(decodeWalkReply(walkReply, 7), { status: 0, found: 1 });
    assert.deepEqual(decodeWalkReply(missingReply, 7), { status: 2, found: 0 });
    assert.equal(statusName(2), "no such directory");
    assert.equal(statusName(10099), "NFS status 10099");
  });

  it("to another call, denials and failures are refused", () => {
    assert.throws(() => decodeNullReply(nullReply, 8), DecodeError);
    const denied = hex("80000014 00000007 00000001 00000001 00000001 00000005");
    assert.throws(() => decodeNullReply(denied, 7), /denied/);
    const otherProgram = hex("80000018 00000007 00000001 00000000 00000000 00000000 00000001");
    assert.throws(() => decodeNullReply(otherProgram, 7), /no NFSv4 server/);
    const busy = hex("80000018 00000007 00000001 00000000 00000000 00000000 00000005");
    assert.throws(() => decodeNullReply(busy, 7), /status 5/);
    const call = hex("80000018 00000007 00000000 00000000 00000000 00000000 00000000");
    assert.throws(() => decodeNullReply(call, 7), /no reply/);
  });

  it("are complete when as long as their mark says", () => {
    assert.equal(replyBytes(nullReply.subarray(0, 3)), undefined);
    assert.equal(replyBytes(nullReply.subarray(0, 4)), nullReply.length);
    assert.throws(() => replyBytes(hex("00000018")), DecodeError);
    assert.throws(() => replyBytes(hex("ffffffff")), DecodeError);
  });

  it("cut short anywhere are refused", () => {
    for (let length = 4; length < nullReply.length; length += 1) {
      assert.throws(() => decodeNullReply(nullReply.subarray(0, length), 7), DecodeError);
    }
    for (let length = 4; length < walkReply.length - 16; length += 1) {
      assert.throws(() => decodeWalkReply(walkReply.subarray(0, length), 7), DecodeError);
    }
  });

  it("of random bytes cause nothing but a DecodeError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const read of [
          () => replyBytes(bytes),
          () => decodeNullReply(bytes, 7),
          () => decodeWalkReply(bytes, 7),
        ]) {
          try {
            read();
          } catch (error) {
            assert.ok(error instanceof DecodeError);
          }
        }
      }),
    );
  });
});
