import { dlopen, getInt32, getRawPointer } from "node:ffi";
import { getSystemErrorMap } from "node:util";

/**
 * The few calls of libc that Node does not offer, through node:ffi. Memory that is named by a pointer inside another
 * structure is out of V8's sight: its Buffer must be held by whoever made the pointer for as long as libc may use it, and
 * must never be transferred or resized, or libc writes into what has become somebody else's memory.
 */
function openLibc() {
  return dlopen("libc.so.6", {
    socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
    setsockopt: { arguments: ["i32", "i32", "i32", "buffer", "u32"], return: "i32" },
    getsockopt: { arguments: ["i32", "i32", "i32", "buffer", "buffer"], return: "i32" },
    getsockname: { arguments: ["i32", "buffer", "buffer"], return: "i32" },
    bind: { arguments: ["i32", "buffer", "u32"], return: "i32" },
    listen: { arguments: ["i32", "i32"], return: "i32" },
    close: { arguments: ["i32"], return: "i32" },
    if_nametoindex: { arguments: ["buffer"], return: "u32" },
    recvfrom: { arguments: ["i32", "buffer", "u64", "i32", "buffer", "buffer"], return: "i64" },
    sendto: { arguments: ["i32", "buffer", "u64", "i32", "buffer", "u32"], return: "i64" },
    recv: { arguments: ["i32", "buffer", "u64", "i32"], return: "i64" },
    // The last argument is a pointer to a timeout: 0 for none.
    recvmmsg: { arguments: ["i32", "buffer", "u32", "i32", "u64"], return: "i32" },
    sendmmsg: { arguments: ["i32", "u64", "u32", "i32"], return: "i32" },
    // The offset is read and moved on; the file's own position stays.
    sendfile: { arguments: ["i32", "i32", "buffer", "u64"], return: "i64" },
    memfd_create: { arguments: ["buffer", "u32"], return: "i32" },
    __errno_location: { arguments: [], return: "pointer" },
  }).functions;
}

export type Libc = ReturnType<typeof openLibc>;

/** Kept: looking the functions up costs five times what opening a socket with them does (0.24 against 0.05 ms). */
let openedLibc: Libc | undefined;

export function sharedLibc(): Libc {
  openedLibc ??= openLibc();
  return openedLibc;
}

/** Why the call before failed (errno(3)); to be asked at once. */
export function lastErrno(libc: Libc): number {
  const location = libc.__errno_location();
  return location === null ? 0 : getInt32(location, 0);
}

/** `EPERM` for 1. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
}

/** Memory that libc may be told of by its address, which never changes. */
export type PinnedBytes = { readonly bytes: Buffer; readonly pointer: number };

export function pinnedBytes(length: number): PinnedBytes {
  const memory = new ArrayBuffer(length); // always outside V8's heap, where nothing is moved
  // User addresses have 47 bits: exact as a number.
  return { bytes: Buffer.from(memory), pointer: Number(getRawPointer(memory)) };
}

/** Memory that is there already, pinned where it is. Nobody may transfer or resize it. */
export function pinned(bytes: Uint8Array): PinnedBytes {
  // Small arrays live inside V8's heap until somebody asks for their buffer; from then on they stay where they are.
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return { bytes: view, pointer: Number(getRawPointer(view)) };
}

/** Writes a pointer where a structure has one: `words` are its 32-bit words, low half first (amd64, arm64). */
export function setPointer(words: Uint32Array, index: number, pointer: number): void {
  words[index] = pointer; // modulo 2^32
  words[index + 1] = pointer / 0x1_0000_0000;
}

/** The 32-bit words of pinned memory. */
export function wordsOf({ bytes }: PinnedBytes): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
}
