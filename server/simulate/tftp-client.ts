import type { Ipv4 } from "../lib/ipv4.ts";
import { defaultBlockBytes, errorCodes, type TftpOption, type TftpPacket } from "../tftp/packet.ts";
import { BootFailure, type Event, type Walk } from "./effects.ts";

/** How one firmware's TFTP client asks. */
export type TftpProfile = {
  name: string;
  /** Options of its question for the size, which it then breaks off; absent: it does not ask. */
  probe?: readonly TftpOption[];
  /** With which it breaks off. */
  probeError: { code: number; message: string };
  options: readonly TftpOption[];
  /** Waits for the next packet, and how often it says the last word again. */
  timeoutMs: number;
  tries: number;
};

/** EDK2's MTFTP (pcap uefi-ovmf-pxe-snponly): both questions have the window size, of which it takes what it gets. */
export const edk2Tftp: TftpProfile = {
  name: "EDK2",
  probe: [
    { name: "tsize", value: "0" },
    { name: "blksize", value: "1468" },
    { name: "windowsize", value: "4" },
  ],
  probeError: { code: errorCodes.optionRefused, message: "User aborted the transfer" },
  options: [
    { name: "blksize", value: "1468" },
    { name: "windowsize", value: "4" },
  ],
  timeoutMs: 3000,
  tries: 6,
};

/** A PXE ROM's base code (Intel's): asks for the size, breaks off, and comes again for the file. */
export const romTftp: TftpProfile = {
  name: "PXE ROM",
  probe: [{ name: "tsize", value: "0" }],
  probeError: { code: errorCodes.notDefined, message: "TFTP Aborted" },
  options: [{ name: "blksize", value: "1456" }],
  timeoutMs: 4000,
  tries: 6,
};

export type Fetched = { bytes: number; blocks: number; blockBytes: number; window: number };

/** Not there, as the server says: for some files that is fine. */
export class TftpRefusal extends BootFailure {
  readonly code: number;

  constructor(path: string, code: number, message: string) {
    super(
      `TFTP: the head refuses ${path}: ${message} (error ${code})`,
      code === errorCodes.fileNotFound
        ? "is the boot loader in the head's loader directory? (apt-get install ipxe)"
        : undefined,
    );
    this.code = code;
  }
}

/** The size, as the firmware asks for it before it fetches. Undefined where the server does not tell. */
export function* probeSize(profile: TftpProfile, server: Ipv4, path: string): Walk<number | undefined> {
  const { probe } = profile;
  if (probe === undefined) return undefined;
  const first = yield* ask(profile, server, path, probe);
  yield {
    kind: "tftp",
    to: "transfer",
    server,
    packet: { kind: "error", ...profile.probeError },
    waitMs: 0,
  };
  if (first.kind !== "oack") return undefined;
  return valueOf(first.options, "tsize");
}

/** A whole file, block by block, as the firmware takes it in. The bytes are counted, not kept. */
export function* fetchFile(profile: TftpProfile, server: Ipv4, path: string): Walk<Fetched> {
  let packet = yield* ask(profile, server, path, profile.options);
  let blockBytes = defaultBlockBytes;
  let window = 1;
  if (packet.kind === "oack") {
    blockBytes = valueOf(packet.options, "blksize") ?? defaultBlockBytes;
    window = valueOf(packet.options, "windowsize") ?? 1;
    packet = yield* next(profile, server, path, { kind: "ack", block: 0 });
  }
  let bytes = 0;
  let blocks = 0;
  let unacknowledged = 0;
  for (;;) {
    if (packet.kind === "error") throw new TftpRefusal(path, packet.code, packet.message);
    const inOrder = packet.kind === "data" && packet.block === ((blocks + 1) & 0xffff);
    if (packet.kind === "data" && inOrder) {
      blocks += 1;
      bytes += packet.data.length;
      unacknowledged += 1;
      const last = packet.data.length < blockBytes;
      if (last) {
        yield { kind: "tftp", to: "transfer", server, packet: ackOf(blocks), waitMs: 0 };
        return { bytes, blocks, blockBytes, window };
      }
    }
    // RFC 7440 section 4: an acknowledgement after a window. Any other block than the next, early or come again, is
    // answered with where the client stands (Mtftp4Rrq.c, Mtftp4RrqHandleData): that the head does not send twice for it
    // is the head's business (RFC 1123 section 4.2.3.1).
    if (unacknowledged >= window || (packet.kind === "data" && !inOrder)) {
      unacknowledged = 0;
      packet = yield* next(profile, server, path, ackOf(blocks));
    } else {
      packet = yield* listen(profile, server, path, ackOf(blocks));
    }
  }
}

function ackOf(blocks: number): TftpPacket {
  return { kind: "ack", block: blocks & 0xffff };
}

/** A read request from a new port; the server's first packet, if it is no refusal. */
function* ask(
  profile: TftpProfile,
  server: Ipv4,
  path: string,
  options: readonly TftpOption[],
): Walk<TftpPacket> {
  const packet: TftpPacket = { kind: "rrq", path, mode: "octet", options };
  for (let attempt = 0; attempt < profile.tries; attempt += 1) {
    const event = yield { kind: "tftp", to: "server", server, packet, waitMs: profile.timeoutMs };
    if (event.kind !== "tftp") {
      requireSilence(event, path);
      continue;
    }
    if (event.packet.kind === "error") throw new TftpRefusal(path, event.packet.code, event.packet.message);
    return event.packet;
  }
  throw silence(profile, server, path);
}

/** Says it, and says it again until something comes. */
function* next(profile: TftpProfile, server: Ipv4, path: string, packet: TftpPacket): Walk<TftpPacket> {
  for (let attempt = 0; attempt < profile.tries; attempt += 1) {
    const event = yield { kind: "tftp", to: "transfer", server, packet, waitMs: profile.timeoutMs };
    if (event.kind === "tftp") return event.packet;
    requireSilence(event, path);
  }
  throw silence(profile, server, path);
}

/** Waits within a window; when nothing comes, says how far it is. */
function* listen(profile: TftpProfile, server: Ipv4, path: string, packet: TftpPacket): Walk<TftpPacket> {
  const event = yield { kind: "tftp", to: "transfer", server, waitMs: profile.timeoutMs };
  if (event.kind === "tftp") return event.packet;
  requireSilence(event, path);
  return yield* next(profile, server, path, packet);
}

function silence(profile: TftpProfile, server: Ipv4, path: string): BootFailure {
  const seconds = (profile.timeoutMs * profile.tries) / 1000;
  return new BootFailure(
    `TFTP: ${server} is silent about ${path} for ${seconds} s`,
    "is port 69/udp of the head open to this network?",
  );
}

function requireSilence(event: Event, path: string): void {
  if (event.kind === "broken") throw new BootFailure(`TFTP of ${path}: ${event.message}`);
}

function valueOf(options: readonly TftpOption[], name: string): number | undefined {
  const text = options.find((entry) => entry.name.toLowerCase() === name)?.value;
  const value = Number(text);
  return text !== undefined && Number.isInteger(value) && value >= 0 ? value : undefined;
}
