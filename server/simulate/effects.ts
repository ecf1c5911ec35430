import type { DhcpPacket } from "../dhcp/packet.ts";
import type { Ipv4 } from "../lib/ipv4.ts";
import type { Mac } from "../lib/mac.ts";
import type { TftpPacket } from "../tftp/packet.ts";

/** A boot's steps as a simulated node goes through them, in order. */
export const walkPhases = [
  "address",
  "loader",
  "loader address",
  "script",
  "kernel",
  "initrd",
  "overlay",
  "system address",
  "starting",
  "root",
  "credential",
  "up",
] as const;

export type WalkPhase = (typeof walkPhases)[number];

/**
 * What a simulated machine does next. Everything it decides, it decides in generators that yield these and are resumed
 * with what came of it: no sockets, no clock. Durations are milliseconds.
 */
export type Effect =
  /** Broadcasts a message, then waits for one to this machine; without `packet` for what remains of the last wait. */
  | { kind: "dhcp"; packet: DhcpPacket; waitMs: number }
  | { kind: "dhcp"; packet?: undefined }
  /**
   * `server`: to port 69 from a new port of its own. `transfer`: to where the transfer's last packet came from. Sends
   * unless `packet` is absent, then waits; not at all where `waitMs` is 0.
   */
  | { kind: "tftp"; to: "server" | "transfer"; server: Ipv4; packet?: TftpPacket; waitMs: number }
  | { kind: "http"; request: HttpRequest; waitMs: number }
  /** From now on the machine has this address. */
  | { kind: "address"; ip: Ipv4; bits: number }
  /** `firmware`: its own habit. `told`: the head's script says so. */
  | { kind: "pause"; ms: number; why: "firmware" | "told" }
  /** The exchanges that follow belong to this phase. */
  | { kind: "phase"; phase: WalkPhase }
  /** For people: what the machine makes of what it got. */
  | { kind: "note"; text: string; title?: string };

export type HttpRequest = {
  method: "GET" | "HEAD" | "POST";
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** Of the answer's body, what is wanted: `count` only takes it in. */
  want: "text" | "bytes" | "count";
};

export type HttpReply = {
  kind: "http";
  status: number;
  /** Of the body as announced; absent where the head did not say. */
  lengthBytes?: number;
  /** That came. */
  bytes: number;
  /** Empty unless asked for. */
  body: Uint8Array;
};

/** What came of an effect. */
export type Event =
  | { kind: "dhcp"; packet: DhcpPacket }
  | { kind: "tftp"; packet: TftpPacket }
  | HttpReply
  /** Nothing came in time. */
  | { kind: "timeout" }
  /** The network said no: a refused connection, a broken one. */
  | { kind: "broken"; message: string }
  | { kind: "done" };

/** A part of a boot. */
export type Walk<Result = void> = Generator<Effect, Result, Event>;

/** Why a machine did not get further, and what to do about it. The only thing a walk throws. */
export class BootFailure extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = "BootFailure";
    this.hint = hint;
  }
}

export const walkFirmwares = ["bios", "uefi", "http"] as const;
export type WalkFirmware = (typeof walkFirmwares)[number];

/** Who a simulated machine is, and how it bears what happens to it. */
export type Machine = {
  mac: Mac;
  firmware: WalkFirmware;
  /** SMBIOS UUID as on the wire: option 97. */
  uuid: Uint8Array;
  /** Transaction numbers of the firmware, the loader and the system. */
  xids: readonly [number, number, number];
  /** What it proves itself with once it is up; 64 hexadecimal digits. */
  credential: string;
  /** It gives up once the head's scripts have made it sleep so long. */
  patienceMs: number;
  /** True: it gives up at the first file that it cannot get, where a real machine would try again for ever. */
  firstFailureEnds: boolean;
  /** False: loader, kernel and initrd are asked about, not fetched. */
  files: boolean;
};

export function* phase(name: WalkPhase): Walk {
  yield { kind: "phase", phase: name };
}

export function* note(text: string, title?: string): Walk {
  yield { kind: "note", text, ...(title === undefined ? {} : { title }) };
}

export function* pause(ms: number, why: "firmware" | "told"): Walk {
  if (ms > 0) yield { kind: "pause", ms, why };
}

/** One request. @throws BootFailure when no whole answer comes */
export function* http(request: HttpRequest, waitMs = 60_000): Walk<HttpReply> {
  const event = yield { kind: "http", request, waitMs };
  if (event.kind === "http") return event;
  if (event.kind === "broken") throw new BootFailure(`${request.url}: ${event.message}`);
  throw new BootFailure(`${request.url}: no answer within ${waitMs / 1000} s`);
}
