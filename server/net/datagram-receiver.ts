import type { AddressNumbers } from "./address-numbers.ts";
import { MSG_TRUNC, message, messageWords, vector, vectorWords } from "./datagram-layout.ts";
import {
  type Libc,
  type PinnedBytes,
  errnoName,
  lastErrno,
  pinnedBytes,
  setPointer,
  wordsOf,
} from "./libc.ts";
import { EAGAIN, EINTR, MSG_DONTWAIT } from "./linux.ts";

/** Takes one datagram; `bytes` is good until it returns, then overwritten. */
export type TakeDatagram = (bytes: Buffer, address: number, port: number) => void;

/** Datagrams taken by one call: a batch's replies leave before the next batch is looked at. */
const batchDatagrams = 64;

/** Takes what waits at a socket, many datagrams a call (recvmmsg(2)). */
export class DatagramReceiver {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #numbers: AddressNumbers;
  readonly #slotBytes: number;
  readonly #onFault: (name: string) => void;
  // Held for as long as the kernel may write there.
  readonly #headers: PinnedBytes;
  readonly #vectors: PinnedBytes;
  readonly #names: PinnedBytes;
  readonly #slots: PinnedBytes;
  readonly #headerWords: Uint32Array;
  readonly #nameWords: Uint32Array;
  /** The last view of each slot: most datagrams are as long as the one before. */
  readonly #views: Buffer[] = [];
  #truncated = 0;

  /** `onFault`: the errno's name, of what kept it from receiving. */
  constructor(
    libc: Libc,
    fd: number,
    numbers: AddressNumbers,
    slotBytes: number,
    onFault: (name: string) => void,
  ) {
    this.#libc = libc;
    this.#fd = fd;
    this.#numbers = numbers;
    this.#slotBytes = slotBytes;
    this.#onFault = onFault;
    this.#headers = pinnedBytes(batchDatagrams * messageWords * 4);
    this.#vectors = pinnedBytes(batchDatagrams * vectorWords * 4);
    this.#names = pinnedBytes(batchDatagrams * numbers.nameWords * 4);
    this.#slots = pinnedBytes(batchDatagrams * slotBytes);
    this.#headerWords = wordsOf(this.#headers);
    this.#nameWords = wordsOf(this.#names);
    this.#layOut();
  }

  /** Datagrams longer than a slot, which nobody got. */
  get truncated(): number {
    return this.#truncated;
  }

  #layOut(): void {
    const vectors = wordsOf(this.#vectors);
    const nameBytes = this.#numbers.nameWords * 4;
    for (let slot = 0; slot < batchDatagrams; slot += 1) {
      setPointer(vectors, slot * vectorWords + vector.base, this.#slots.pointer + slot * this.#slotBytes);
      vectors[slot * vectorWords + vector.length] = this.#slotBytes;
      const header = slot * messageWords;
      setPointer(this.#headerWords, header + message.name, this.#names.pointer + slot * nameBytes);
      this.#headerWords[header + message.nameLength] = nameBytes;
      setPointer(this.#headerWords, header + message.vector, this.#vectors.pointer + slot * vectorWords * 4);
      this.#headerWords[header + message.vectorLength] = 1;
      this.#views.push(this.#slots.bytes.subarray(0, 0));
    }
  }

  /** Hands one batch over. @returns whether it was a full one; there may be more then. */
  receive(take: TakeDatagram): boolean {
    const count = this.#libc.recvmmsg(this.#fd, this.#headers.bytes, batchDatagrams, MSG_DONTWAIT, 0n);
    if (count < 0) this.#tellFault();
    for (let slot = 0; slot < count; slot += 1) {
      const header = slot * messageWords;
      if (((this.#headerWords[header + message.flags] ?? 0) & MSG_TRUNC) !== 0) {
        this.#truncated += 1;
        continue;
      }
      const name = slot * this.#numbers.nameWords;
      const first = this.#nameWords[name] ?? 0;
      const port = ((first >>> 8) & 0xff00) | (first >>> 24);
      const address = this.#numbers.read(this.#nameWords, name);
      take(this.#view(slot, this.#headerWords[header + message.length] ?? 0), address, port);
    }
    return count === batchDatagrams;
  }

  #tellFault(): void {
    const errno = lastErrno(this.#libc);
    if (errno !== EAGAIN && errno !== EINTR) this.#onFault(errnoName(errno));
  }

  #view(slot: number, length: number): Buffer {
    const last = this.#views[slot];
    if (last !== undefined && last.length === length) return last;
    const from = slot * this.#slotBytes;
    const view = this.#slots.bytes.subarray(from, from + length);
    this.#views[slot] = view;
    return view;
  }
}
