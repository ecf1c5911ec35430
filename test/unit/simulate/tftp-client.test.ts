import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BootFailure, type Effect, type Event } from "../../../server/simulate/effects.ts";
import {
  edk2Tftp,
  fetchFile,
  probeSize,
  romTftp,
  type TftpProfile,
  TftpRefusal,
} from "../../../server/simulate/tftp-client.ts";
import type { TftpOption } from "../../../server/tftp/packet.ts";
import { ip } from "../../support/dhcp-scene.ts";
import { drive, failureOf } from "../../support/walk-scene.ts";

const head = ip("10.77.0.1");

/** A server with one file; `lost` says of the n-th packet, in either direction, that it does not arrive. */
class Server {
  readonly acknowledged: number[] = [];
  readonly #queue: Event[] = [];
  readonly #lost: (packet: number) => boolean;
  readonly #bytes: number;
  readonly #grants: readonly TftpOption[];
  #packets = 0;
  #block = 0;

  constructor(
    bytes: number,
    grants: readonly TftpOption[] = [],
    lost: (packet: number) => boolean = () => false,
  ) {
    this.#bytes = bytes;
    this.#grants = grants;
    this.#lost = lost;
  }

  answer = (effect: Effect): Event | undefined => {
    if (effect.kind !== "tftp") return undefined;
    const { packet } = effect;
    if (packet !== undefined && !this.#lost(this.#packets++)) {
      if (packet.kind === "rrq") this.#open();
      if (packet.kind === "ack") this.#ack(packet.block);
    }
    return effect.waitMs === 0 ? { kind: "done" } : (this.#queue.shift() ?? { kind: "timeout" });
  };

  #open(): void {
    if (this.#grants.length > 0)
      this.#send({ kind: "tftp", packet: { kind: "oack", options: this.#grants } });
    else this.#window(0);
  }

  #ack(block: number): void {
    this.acknowledged.push(block);
    // The number on the wire is of 16 bits; the nearest that is not behind by more than a window.
    const ahead = (block - this.#block) & 0xffff;
    const at = ahead < 0x8000 ? this.#block + ahead : this.#block - (0x10000 - ahead);
    if (at * this.#blockBytes > this.#bytes) return;
    // No Sorcerer's Apprentice: what is said again counts only when nothing is under way any more.
    if (at <= this.#block && this.#queue.length > 0) return;
    this.#block = at;
    this.#window(at);
  }

  #window(from: number): void {
    for (let block = from + 1; block <= from + this.#windowSize; block += 1) {
      const start = (block - 1) * this.#blockBytes;
      if (start > this.#bytes) return;
      const data = new Uint8Array(Math.min(this.#blockBytes, this.#bytes - start));
      this.#send({ kind: "tftp", packet: { kind: "data", block: block & 0xffff, data } });
    }
  }

  #send(event: Event): void {
    if (!this.#lost(this.#packets++)) this.#queue.push(event);
  }

  get #blockBytes(): number {
    return Number(this.#grants.find(({ name }) => name === "blksize")?.value ?? 512);
  }

  get #windowSize(): number {
    return Number(this.#grants.find(({ name }) => name === "windowsize")?.value ?? 1);
  }
}

const grants = (blksize: number, windowsize: number): TftpOption[] => [
  { name: "blksize", value: String(blksize) },
  { name: "windowsize", value: String(windowsize) },
];

test("a file of any size arrives whole, with and without options, at window 1 and 4", () => {
  for (const bytes of [0, 1, 511, 512, 513, 5000, 20_480]) {
    for (const options of [[], grants(1468, 1), grants(512, 4)]) {
      const { result } = drive(fetchFile(edk2Tftp, head, "f"), new Server(bytes, options).answer);
      assert.equal(result.bytes, bytes);
    }
  }
});

test("block numbers start over after 65,535", () => {
  const { result } = drive(fetchFile(romTftp, head, "f"), new Server(8 * 70_000, grants(8, 1)).answer);
  assert.deepEqual(result, { bytes: 8 * 70_000, blocks: 70_001, blockBytes: 8, window: 1 });
});

test("whatever is lost, as long as something comes through in the end, the file arrives whole", () => {
  const patient = { ...edk2Tftp, tries: 300 };
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30_000 }),
      fc.constantFrom(1, 4, 16),
      fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 200 }),
      (bytes, window, luck) => {
        const server = new Server(bytes, grants(512, window), (packet) => (luck[packet] ?? 9) < 3);
        assert.equal(drive(fetchFile(patient, head, "f"), server.answer).result.bytes, bytes);
      },
    ),
    { numRuns: 300 },
  );
});

test("a block that comes again is acknowledged again at once: its acknowledgement was lost", () => {
  let answered = 0;
  const data = new Uint8Array(512);
  const sequence: Event[] = [1, 1, 1, 2].map((block) => ({
    kind: "tftp",
    packet: { kind: "data", block, data: block === 2 ? new Uint8Array(3) : data },
  }));
  const { effects, result } = drive(fetchFile(romTftp, head, "f"), () => sequence[answered++]);
  assert.equal(result.bytes, 515);
  const acks = effects.flatMap((effect) =>
    effect.kind === "tftp" && effect.packet?.kind === "ack" ? [effect.packet.block] : [],
  );
  assert.deepEqual(acks, [1, 1, 1, 2]);
});

test("each firmware asks for the size as it was captured, and breaks off with its own error", () => {
  const asked = (profile: TftpProfile): unknown[] => {
    const oack: Event = {
      kind: "tftp",
      packet: { kind: "oack", options: [{ name: "tsize", value: "173792" }] },
    };
    const { effects, result } = drive(probeSize(profile, head, "snponly.efi"), (_, all) =>
      all.length === 1 ? oack : undefined,
    );
    return [result, ...effects.map((effect) => (effect.kind === "tftp" ? effect.packet : effect))];
  };
  assert.deepEqual(asked(edk2Tftp), [
    173_792,
    {
      kind: "rrq",
      path: "snponly.efi",
      mode: "octet",
      options: [
        { name: "tsize", value: "0" },
        { name: "blksize", value: "1468" },
        { name: "windowsize", value: "4" },
      ],
    },
    { kind: "error", code: 8, message: "User aborted the transfer" },
  ]);
  assert.equal(asked(romTftp)[0], 173_792);
});

test("a refusal and a silent server are told apart", () => {
  const refused = failureOf(() =>
    drive(fetchFile(romTftp, head, "undionly.kpxe"), () => ({
      kind: "tftp",
      packet: { kind: "error", code: 1, message: "file not found" },
    })),
  );
  assert.ok(refused instanceof TftpRefusal && refused.code === 1);
  assert.match(refused.hint ?? "", /apt-get install ipxe/);
  let asked = 0;
  const silent = failureOf(() =>
    drive(fetchFile(romTftp, head, "undionly.kpxe"), () => {
      asked += 1;
      return { kind: "timeout" };
    }),
  );
  assert.ok(silent instanceof BootFailure);
  assert.equal(asked, romTftp.tries);
  assert.match(silent.message, /silent about undionly.kpxe for 24 s/);
});
