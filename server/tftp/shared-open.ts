import type { Clock } from "../lib/clock.ts";
import type { ServedFile } from "./served-file.ts";

/** How long an open file is given to others that ask for the same path. */
const sharedMs = 200;

type Shared = { opening: Promise<ServedFile | undefined>; untilMs: number; users: number };

/**
 * Opens a file once for all who ask for it within a moment, as a rack does that powers on: finding and checking a path
 * takes a dozen system calls in other threads, more than sending the first hundred blocks. Who asks has the file that
 * was there at most 200 ms ago. For paths that mean the same to everybody.
 */
export function shareOpens(
  open: (path: string) => Promise<ServedFile | undefined>,
  clock: Clock,
): (path: string) => Promise<ServedFile | undefined> {
  const shares = new Map<string, Shared>();

  const leave = async (path: string, share: Shared, file: ServedFile): Promise<void> => {
    share.users -= 1;
    // Until its time is over it stays open for who may still ask.
    const restMs = share.untilMs - clock.nowMs();
    if (share.users > 0) return;
    if (restMs <= 0) {
      if (shares.get(path) === share) shares.delete(path);
      await file.close();
      return;
    }
    share.users += 1;
    setTimeout(() => {
      leave(path, share, file).catch(() => undefined); // nobody waits for it, and nothing is lost
    }, restMs + 1).unref();
  };

  const use = async (path: string, share: Shared): Promise<ServedFile | undefined> => {
    share.users += 1;
    const file = await share.opening;
    if (file === undefined) return undefined;
    let isOpen = true;
    return {
      ...file,
      close: async () => {
        if (!isOpen) return;
        isOpen = false;
        await leave(path, share, file);
      },
    };
  };

  return async (path) => {
    const nowMs = clock.nowMs();
    const known = shares.get(path);
    if (known !== undefined && nowMs < known.untilMs) return use(path, known);
    const share: Shared = { opening: open(path), untilMs: nowMs + sharedMs, users: 0 };
    shares.set(path, share);
    try {
      const file = await use(path, share);
      if (file === undefined) shares.delete(path);
      return file;
    } catch (error) {
      if (shares.get(path) === share) shares.delete(path);
      throw error;
    }
  };
}
