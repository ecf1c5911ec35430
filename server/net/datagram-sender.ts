import type { AddressNumbers } from "./address-numbers.ts";
import { message, messageWords, swapped, vector, vectorWords } from "./datagram-layout.ts";
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

/** A datagram that could not be sent, with the errno's name. */
export type SendFault = { name: string; address: number; port: number };

const queueMessages = 256;
const queueVectors = 1024;
const copyBytes = 256 * 1024;
const headBytes = 4;

/** Segments of one message and their bytes: what Linux takes (UDP_MAX_SEGMENTS, and one IP packet's length). */
const trainSegments = 64;
const trainBytes = 65_000;

/** struct cmsghdr with one 16-bit value: SOL_UDP, UDP_SEGMENT (udp(7)). */
const controlBytes = 24;
const segmentControl = { length: 18, level: 17, type: 103 } as const;

// errno(3) on Linux.
const EIO = 5;
const EINVAL = 22;
const EMSGSIZE = 90;
const ENOBUFS = 105;

/**
 * Datagrams on their way out, sent many a call (sendmmsg(2)). Consecutive datagrams of one length to one client become
 * one message that the kernel cuts up (UDP_SEGMENT): a whole window then goes through the network stack once.
 */
export class DatagramSender {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #numbers: AddressNumbers;
  readonly #onFault: (fault: SendFault) => void;
  // Held for as long as the kernel may read there.
  readonly #headers = pinnedBytes(queueMessages * messageWords * 4);
  readonly #vectors = pinnedBytes(queueVectors * vectorWords * 4);
  readonly #names: PinnedBytes;
  readonly #controls = pinnedBytes(queueMessages * controlBytes);
  readonly #copies = pinnedBytes(copyBytes);
  readonly #copyWords = wordsOf(this.#copies);
  readonly #headerWords = wordsOf(this.#headers);
  readonly #vectorWords = wordsOf(this.#vectors);
  readonly #nameWords: Uint32Array;
  /** The pinned bodies of what is queued. */
  #bodies: PinnedBytes[] = [];
  #first = 0;
  #count = 0;
  #vectorCount = 0;
  #copied = 0;
  /** The last message as a train that may grow; `segments` 0: it may not. */
  #train = { segments: 0, segmentBytes: 0, bytes: 0, address: 0, port: 0 };
  #trains = true;
  #unsent = 0;

  /** `onFault`: of a datagram that could not be sent. */
  constructor(libc: Libc, fd: number, numbers: AddressNumbers, onFault: (fault: SendFault) => void) {
    this.#libc = libc;
    this.#fd = fd;
    this.#numbers = numbers;
    const nameBytes = numbers.nameWords * 4;
    this.#names = pinnedBytes(queueMessages * nameBytes);
    this.#nameWords = wordsOf(this.#names);
    this.#onFault = onFault;
    const controls = wordsOf(this.#controls);
    for (let index = 0; index < queueMessages; index += 1) {
      const header = index * messageWords;
      setPointer(this.#headerWords, header + message.name, this.#names.pointer + index * nameBytes);
      this.#headerWords[header + message.nameLength] = nameBytes;
      setPointer(this.#headerWords, header + message.control, this.#controls.pointer + index * controlBytes);
      const control = (index * controlBytes) / 4;
      controls[control] = segmentControl.length;
      controls[control + 2] = segmentControl.level;
      controls[control + 3] = segmentControl.type;
    }
  }

  get queued(): number {
    return this.#count - this.#first;
  }

  /** Datagrams or trains given up: the kernel took none, and the queue was full. */
  get unsent(): number {
    return this.#unsent;
  }

  /** Queues a datagram, of which it makes a copy. */
  send(bytes: Uint8Array, address: number, port: number): void {
    if (bytes.length > copyBytes) throw new RangeError(`a datagram of ${bytes.length} bytes`);
    if (!this.#makeRoom(bytes.length, 1)) return;
    const at = this.#copied;
    this.#copies.bytes.set(bytes, at);
    this.#copied += (bytes.length + 3) & ~3;
    this.#addMessage(address, port, 1);
    this.#addVector(this.#copies.pointer + at, bytes.length);
    this.#train.segments = 0;
  }

  /** Queues a datagram of four bytes, the number `head` in the network's order, and a part of `body`, which is not copied. */
  sendPinned(
    head: number,
    body: PinnedBytes,
    from: number,
    length: number,
    address: number,
    port: number,
  ): void {
    if (!this.#makeRoom(headBytes, 2)) return;
    const train = this.#train;
    const datagramBytes = headBytes + length;
    const joins =
      train.segments > 0 &&
      train.address === address &&
      train.port === port &&
      datagramBytes <= train.segmentBytes &&
      train.segments < trainSegments &&
      train.bytes + datagramBytes <= trainBytes;
    if (joins) {
      this.#growTrain(datagramBytes);
    } else {
      this.#addMessage(address, port, 2);
      const segments = this.#trains ? 1 : 0;
      this.#train = { segments, segmentBytes: datagramBytes, bytes: datagramBytes, address, port };
    }
    const at = this.#copied;
    this.#copyWords[at >>> 2] = swapped(head);
    this.#copied += headBytes;
    this.#addVector(this.#copies.pointer + at, headBytes);
    this.#addVector(body.pointer + from, length);
    if (this.#bodies.at(-1) !== body) this.#bodies.push(body);
  }

  /** Hands everything to the kernel; false: some of it has to wait until the kernel has room. */
  flush(): boolean {
    while (this.#first < this.#count) {
      const at = this.#headers.pointer + this.#first * messageWords * 4;
      const sent = this.#libc.sendmmsg(this.#fd, BigInt(at), this.#count - this.#first, MSG_DONTWAIT);
      if (sent > 0) {
        this.#first += sent;
        continue;
      }
      const errno = lastErrno(this.#libc);
      if (errno === EINTR) continue;
      if (errno === EAGAIN || errno === ENOBUFS) {
        this.#train.segments = 0;
        return false;
      }
      this.#giveUpFirst(errno);
    }
    this.#reset();
    return true;
  }

  #growTrain(datagramBytes: number): void {
    const train = this.#train;
    const index = this.#count - 1;
    const header = index * messageWords;
    if (train.segments === 1) {
      this.#headerWords[header + message.controlLength] = controlBytes;
      this.#controls.bytes.writeUInt16LE(train.segmentBytes, index * controlBytes + 16);
    }
    this.#headerWords[header + message.vectorLength] =
      (this.#headerWords[header + message.vectorLength] ?? 0) + 2;
    train.bytes += datagramBytes;
    // A shorter one ends the train: all segments but the last have one length.
    train.segments = datagramBytes < train.segmentBytes ? 0 : train.segments + 1;
  }

  #makeRoom(bytes: number, vectors: number): boolean {
    if (this.#hasRoom(bytes, vectors)) return true;
    this.flush();
    if (this.#hasRoom(bytes, vectors)) return true;
    this.#unsent += 1;
    return false;
  }

  #hasRoom(bytes: number, vectors: number): boolean {
    return (
      this.#count < queueMessages &&
      this.#copied + bytes <= copyBytes &&
      this.#vectorCount + vectors <= queueVectors
    );
  }

  #addMessage(address: number, port: number, vectors: number): void {
    this.#numbers.write(this.#nameWords, this.#count * this.#numbers.nameWords, address, port);
    const header = this.#count * messageWords;
    setPointer(
      this.#headerWords,
      header + message.vector,
      this.#vectors.pointer + this.#vectorCount * vectorWords * 4,
    );
    this.#headerWords[header + message.vectorLength] = vectors;
    this.#headerWords[header + message.controlLength] = 0;
    this.#count += 1;
  }

  #addVector(pointer: number, length: number): void {
    const at = this.#vectorCount * vectorWords;
    setPointer(this.#vectorWords, at + vector.base, pointer);
    this.#vectorWords[at + vector.length] = length;
    this.#vectorCount += 1;
  }

  #giveUpFirst(errno: number): void {
    const header = this.#first * messageWords;
    const name = this.#first * this.#numbers.nameWords;
    const first = this.#nameWords[name] ?? 0;
    const isTrain = (this.#headerWords[header + message.controlLength] ?? 0) > 0;
    // The device cannot cut segments, or the way to this client has a smaller MTU: the client is sent all of it again,
    // one by one.
    if (isTrain && (errno === EIO || errno === EINVAL || errno === EMSGSIZE)) this.#trains = false;
    this.#first += 1;
    this.#unsent += 1;
    this.#onFault({
      name: errnoName(errno),
      address: this.#numbers.read(this.#nameWords, name),
      port: ((first >>> 8) & 0xff00) | (first >>> 24),
    });
  }

  #reset(): void {
    this.#first = 0;
    this.#count = 0;
    this.#vectorCount = 0;
    this.#copied = 0;
    this.#train.segments = 0;
    this.#bodies.length = 0;
  }
}
