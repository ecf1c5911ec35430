import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { dhcpQuestion } from "../../../server/cli/dhcp-question.ts";
import { decode } from "../../../server/dhcp/decode.ts";
import { encode } from "../../../server/dhcp/encode.ts";
import { option } from "../../../server/dhcp/option-table.ts";
import { otherDhcpServers } from "../../../server/doctor/other-servers.ts";
import type { Ipv4 } from "../../../server/lib/ipv4.ts";
import type { Mac } from "../../../server/lib/mac.ts";

const mac = "52:54:00:00:00:01" as Mac;
const local = "127.0.0.1" as Ipv4;

/** An OFFER to what was asked, by a server of this address. */
function offer(question: Uint8Array, server: string, xidChange = 0): Uint8Array {
  const asked = decode(question);
  const options = new Map([
    [option.messageType.code, option.messageType.value.encode("OFFER")],
    [option.serverId.code, option.serverId.value.encode(server as Ipv4)],
  ]);
  return encode({ ...asked, op: 2, xid: asked.xid + xidChange, options }).bytes;
}

/** Something on a wire that answers a DISCOVER with these messages. @returns its port */
async function wire(context: TestContext, answers: (question: Uint8Array) => Uint8Array[]): Promise<number> {
  const socket = dgram.createSocket("udp4");
  context.after(() => socket.close());
  socket.on("message", (bytes, from) => {
    for (const answer of answers(bytes)) socket.send(answer, from.port, from.address);
  });
  socket.bind(0, local);
  await once(socket, "listening");
  return socket.address().port;
}

describe("the question whether another DHCP server is there", { concurrency: 4 }, () => {
  it("is a DISCOVER of this port that wants its answer by broadcast", () => {
    const packet = decode(dhcpQuestion(mac, 0x12345678).discover);
    assert.deepEqual([packet.op, packet.xid, packet.flags], [1, 0x12345678, 0x8000]);
    assert.equal(Buffer.from(packet.chaddr.subarray(0, 6)).toString("hex"), "525400000001");
    assert.equal(option.messageType.value.decode(packet.options.get(53) ?? new Uint8Array()), "DISCOVER");
  });

  const ask = async (port: number): Promise<readonly string[]> =>
    otherDhcpServers(
      { device: "lo", clientPort: 0, server: { address: local, port } },
      dhcpQuestion(mac, 7),
      { waitMs: 150, attempts: 2 },
    );

  it("finds each server once", async (context) => {
    const port = await wire(context, (question) => [
      offer(question, "10.0.0.1"),
      offer(question, "10.0.0.2"),
      offer(question, "10.0.0.1"),
    ]);
    assert.deepEqual(await ask(port), ["10.0.0.1", "10.0.0.2"]);
  });
  it("is content with silence, and does not take noise for an offer", async (context) => {
    const port = await wire(context, (question) => [
      question,
      question.subarray(0, 100),
      new Uint8Array(400),
      offer(question, "10.0.0.1", 1),
    ]);
    assert.deepEqual(await ask(port), []);
  });
});
