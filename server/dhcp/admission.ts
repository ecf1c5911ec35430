import { headerBytes } from "./packet.ts";

/** How much waits, as the server sees it when a datagram comes. */
export type Load = {
  /** Bytes that the kernel keeps for the socket, and how many it can keep. */
  queuedBytes: number;
  queueBytes: number;
  /** Commits are larger than they should be: the disk is slower than the requests. */
  commitsBehind: boolean;
  commitsFull: boolean;
};

/**
 * `finish`: an exchange that is under way is still finished, but none is begun. Work on a DISCOVER whose REQUEST is lost
 * later on in a full buffer is work for nothing, and that is how servers get slower the more is asked of them.
 */
export type Admission = "all" | "finish" | "none";

/** Of the receive buffer. The kernel gives room back in steps of up to a quarter of it (udp_rmem_release), so no less. */
const behindShare = 1 / 2;

/** What to take on under this load. */
export function admissionFor(load: Load): Admission {
  if (load.commitsFull) return "none";
  if (load.commitsBehind || load.queuedBytes > load.queueBytes * behindShare) return "finish";
  return "all";
}

/**
 * True for a message that begins an exchange: DISCOVER (RFC 2131). Looked up without decoding, since those dropped have
 * to cost next to nothing; clients put option 53 first, and one that does not is merely not dropped.
 */
export function beginsExchange(bytes: Uint8Array): boolean {
  return (
    bytes[headerBytes] === messageTypeCode &&
    bytes[headerBytes + 1] === 1 &&
    bytes[headerBytes + 2] === discover
  );
}

const messageTypeCode = 53;
const discover = 1;
