import type { Socket } from "node:net";
import { lastErrno, type Libc, sharedLibc } from "./libc.ts";

const EINTR = 4;
const EAGAIN = 11;
const EPIPE = 32;
const ECONNRESET = 104;

/**
 * Bytes that the kernel took; `full`: none, until the client has taken some; `gone`: there is no client any more;
 * `unable`: not from this file, or not to this socket.
 */
export type KernelSent = number | "full" | "gone" | "unable";

/** Sends a file's bytes from where they are in memory to a socket (sendfile(2)), which Node has no call for. */
export class KernelSender {
  readonly #libc: Libc = sharedLibc();
  readonly #offset = new BigInt64Array(1);
  readonly #offsetBytes = Buffer.from(this.#offset.buffer);

  /**
   * At most `length` bytes from `offset` of the file, which must be in memory: a disk that had to be waited for would stop
   * everything. `full` also while something is in Node's own queue for this socket, which goes first.
   */
  send(socket: Socket, file: number, offset: number, length: number): KernelSent {
    if (socket.destroyed) return "gone";
    const handle = handleOf(socket);
    if (handle?.fd === undefined || handle.fd < 0) return "unable";
    if (socket.writableLength > 0 || handle.writeQueueSize !== 0) return "full";
    this.#offset[0] = BigInt(offset);
    const sent = Number(this.#libc.sendfile(handle.fd, file, this.#offsetBytes, BigInt(length)));
    if (sent > 0) return sent;
    const errno = sent === 0 ? 0 : lastErrno(this.#libc);
    if (errno === EAGAIN || errno === EINTR) return "full";
    return errno === EPIPE || errno === ECONNRESET ? "gone" : "unable";
  }
}

/** Asked anew for each call: a closed socket has none, and its descriptor may be another connection's at once. */
function handleOf(socket: Socket): { fd?: number; writeQueueSize?: number } | undefined {
  return (
    (socket as Socket & { _handle?: { fd?: number; writeQueueSize?: number } | null })._handle ?? undefined
  );
}
