import {
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  message,
  messageWords,
  nameBytes,
  swapped,
  vector,
  vectorWords,
} from "./datagram-layout.ts";
import { type Libc, errnoName, pinnedBytes, setPointer, wordsOf } from "./libc.ts";

/** `name`: ECONNREFUSED when the peer's machine says that its port is closed (ICMP), EHOSTUNREACH and others likewise. */
export type ReportedFault = { name: string; address: number; port: number };

const controlBytes = 512;
const payloadBytes = 64;

// ip(7): struct cmsghdr, then struct sock_extended_err, whose first word is the errno.
const SOL_IP = 0;
const IP_RECVERR = 11;
const cmsgHeaderBytes = 16;

/** Errors that datagrams sent earlier came back with (IP_RECVERR): who of an unconnected socket's peers has gone. */
export class DatagramErrors {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #header = pinnedBytes(messageWords * 4);
  readonly #vector = pinnedBytes(vectorWords * 4);
  readonly #name = pinnedBytes(nameBytes);
  readonly #control = pinnedBytes(controlBytes);
  readonly #payload = pinnedBytes(payloadBytes);
  readonly #headerWords = wordsOf(this.#header);
  readonly #nameWords = wordsOf(this.#name);

  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
    const words = wordsOf(this.#vector);
    setPointer(words, vector.base, this.#payload.pointer);
    words[vector.length] = payloadBytes;
    setPointer(this.#headerWords, message.name, this.#name.pointer);
    setPointer(this.#headerWords, message.vector, this.#vector.pointer);
    this.#headerWords[message.vectorLength] = 1;
    setPointer(this.#headerWords, message.control, this.#control.pointer);
  }

  /** Takes them all; true: there were some. */
  drain(take: (fault: ReportedFault) => void): boolean {
    let found = false;
    for (;;) {
      this.#headerWords[message.nameLength] = nameBytes;
      this.#headerWords[message.controlLength] = controlBytes;
      if (this.#libc.recvmsg(this.#fd, this.#header.bytes, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return found;
      found = true;
      const errno = this.#errno();
      const first = this.#nameWords[0] ?? 0;
      const port = ((first >>> 8) & 0xff00) | (first >>> 24);
      if (errno === undefined || port === 0) continue;
      take({ name: errnoName(errno), address: swapped(this.#nameWords[1] ?? 0) >>> 0, port });
    }
  }

  #errno(): number | undefined {
    if ((this.#headerWords[message.controlLength] ?? 0) < cmsgHeaderBytes + 4) return undefined;
    const { bytes } = this.#control;
    const isError = bytes.readInt32LE(8) === SOL_IP && bytes.readInt32LE(12) === IP_RECVERR;
    return isError ? bytes.readInt32LE(cmsgHeaderBytes) : undefined;
  }
}
