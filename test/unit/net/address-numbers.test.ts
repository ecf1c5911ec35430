import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ipv6FromBytes } from "../../../server/lib/ipv6.ts";
import { Ipv6Numbers, ipv4Numbers, numbersFor } from "../../../server/net/address-numbers.ts";
import { parseIpv4, ipv4ToNumber } from "../../../server/lib/ipv4.ts";
import { parseIpv6 } from "../../../server/lib/ipv6.ts";

/** A struct sockaddr_in6 as the kernel writes it: family 10, port 69, no flow, the address, a link. */
function nameOf(address: Uint8Array, link = 0): Uint32Array {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(10, 0);
  bytes.writeUInt16BE(69, 2);
  bytes.set(address, 8);
  bytes.writeUInt32LE(link, 24);
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 28));
}

const wordOf = (number: number): Uint8Array => {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, number);
  return bytes;
};

test("an IPv4 address is its own number, and stands in the structure as the network has it", () => {
  const address = parseIpv4("10.77.0.201");
  assert.ok(address !== undefined);
  const words = new Uint32Array(6).fill(0xffff_ffff);
  ipv4Numbers.write(words, 1, ipv4ToNumber(address), 0x1234);
  assert.equal(Buffer.from(words.buffer).subarray(4, 12).toString("hex"), "020012340a4d00c9");
  assert.equal(ipv4Numbers.read(words, 1), ipv4ToNumber(address));
  assert.equal(ipv4Numbers.textOf(ipv4ToNumber(address)), address);
  assert.equal(numbersFor(address), ipv4Numbers);
});

test("an IPv6 address has one number for as long as it is remembered, and comes back whole with its link", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(),
      fc.nat(65_535),
      (bytes, link, port) => {
        const numbers = new Ipv6Numbers();
        const name = nameOf(bytes, link);
        const number = numbers.read(name, 0);
        assert.ok(number >= 2 ** 32, "no IPv4 address");
        assert.equal(numbers.read(name, 0), number);
        assert.notEqual(numbers.read(nameOf(bytes, link + 1), 0), number);
        assert.equal(numbers.textOf(number), ipv6FromBytes(bytes));
        const written = new Uint32Array(9);
        numbers.write(written, 2, number, port);
        const expected = Buffer.from(name.buffer);
        expected.writeUInt16BE(port, 2);
        assert.deepEqual(Buffer.from(written.buffer).subarray(8), expected);
      },
    ),
  );
});

test("made-up addresses have bounded room: the oldest is forgotten, and nothing can be sent to it", () => {
  const numbers = new Ipv6Numbers();
  const first = numbers.read(nameOf(wordOf(1)), 0);
  const second = numbers.read(nameOf(wordOf(2)), 0);
  for (let address = 3; address <= 65_537; address += 1) numbers.read(nameOf(wordOf(address)), 0);
  const words = new Uint32Array(7).fill(1);
  numbers.write(words, 0, first, 69);
  assert.deepEqual([...words], [0, 0, 0, 0, 0, 0, 0]);
  assert.equal(numbers.textOf(first), "::");
  assert.equal(numbers.textOf(second), parseIpv6("::2"));
  assert.notEqual(numbers.read(nameOf(wordOf(1)), 0), first);
});
