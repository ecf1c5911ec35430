import { dlopen, getCurrentEventLoop } from "node:ffi";
import { errnoName, pinnedBytes } from "./libc.ts";

/**
 * libuv's poll handle (docs.libuv.org, "uv_poll_t"), of the libuv that is inside Node: it tells when a descriptor of any
 * kind can be read, and reads nothing itself. Node's own datagram sockets read and make half a dozen objects of every
 * datagram before anybody is asked, and Node watches no raw socket at all.
 */
function openUv() {
  const library = dlopen(null, {
    uv_handle_size: { arguments: ["i32"], return: "u64" },
    uv_poll_init: { arguments: ["u64", "u64", "i32"], return: "i32" },
    uv_poll_start: { arguments: ["u64", "i32", "u64"], return: "i32" },
    uv_close: { arguments: ["u64", "u64"], return: "void" },
  });
  return { ...library.functions, library: library.lib };
}

type Uv = ReturnType<typeof openUv>;

let openedUv: Uv | undefined;

// uv.h: the type of handle, and the event.
const UV_POLL = 8;
const UV_READABLE = 1;

/** How soon to look again at a descriptor with an error that reading did not take away. */
const retryMs = 100;

export type DescriptorWatch = {
  /** `onReadable` is not called again. The descriptor may be closed at once. */
  close: () => void;
};

/**
 * Calls `onReadable` whenever there is something to be read, once each turn of the event loop, until it is closed; it
 * keeps the process running. The descriptor must not block, and stays the caller's.
 * @throws Error when libuv cannot watch the descriptor (a file, or one that is watched already)
 */
export function watchDescriptor(fd: number, onReadable: () => void): DescriptorWatch {
  return new Watch(fd, onReadable);
}

class Watch implements DescriptorWatch {
  readonly #uv: Uv;
  /** The uv_poll_t: libuv's from now until it has told that it is closed. */
  readonly #handle;
  readonly #pointer: bigint;
  readonly #onReadable: () => void;
  readonly #readable: bigint;
  #coming = false;
  #faulty = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  /** In a turn of its own: libuv calls from outside of Node, where an error ends the process and promises stand still. */
  readonly #read = (): void => {
    this.#coming = false;
    if (this.#closed) return;
    this.#onReadable();
    if (this.#faulty && !this.#closed) this.#startLater();
  };

  constructor(fd: number, onReadable: () => void) {
    openedUv ??= openUv();
    const uv = openedUv;
    this.#uv = uv;
    this.#onReadable = onReadable;
    this.#handle = pinnedBytes(Number(uv.uv_handle_size(UV_POLL)));
    this.#pointer = BigInt(this.#handle.pointer);
    this.#check(uv.uv_poll_init(getCurrentEventLoop(), this.#pointer, fd));
    this.#readable = uv.library.registerCallback(
      { arguments: ["u64", "i32", "i32"], return: "void" },
      (_handle, status) => {
        // An error of the socket (POLLERR): libuv has stopped looking.
        if (status < 0) this.#faulty = true;
        if (this.#coming) return;
        this.#coming = true;
        setImmediate(this.#read);
      },
    );
    const started = this.#start();
    // libuv has the handle in its list already, and must let go of it before its memory goes.
    if (started < 0) this.close();
    this.#check(started);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    const { library } = this.#uv;
    const closed = library.registerCallback({ arguments: ["u64"], return: "void" }, () => {
      // Not while it runs.
      setImmediate(() => {
        library.unregisterCallback(closed);
        library.unregisterCallback(this.#readable);
        open.delete(this.#handle);
      });
    });
    open.add(this.#handle);
    this.#uv.uv_close(this.#pointer, closed);
  }

  #start(): number {
    return this.#uv.uv_poll_start(this.#pointer, UV_READABLE, this.#readable);
  }

  /** Reading has taken the error off the socket; were it to stay, this would be all that the process does. */
  #startLater(): void {
    this.#faulty = false;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#start(), retryMs);
  }

  #check(result: number): void {
    if (result < 0) throw new Error(`libuv cannot watch a descriptor: ${errnoName(-result)}`);
  }
}

/** Memory of handles that libuv has not let go of. */
const open = new Set<unknown>();
