/** Opcodes (RFC 1350 section 5; OACK: RFC 2347). */
export const opcodes = { rrq: 1, wrq: 2, data: 3, ack: 4, error: 5, oack: 6 } as const;

/** Error codes (RFC 1350 section 5; 8: RFC 2347). */
export const errorCodes = {
  notDefined: 0,
  fileNotFound: 1,
  accessViolation: 2,
  diskFull: 3,
  illegalOperation: 4,
  unknownTransferId: 5,
  fileAlreadyExists: 6,
  noSuchUser: 7,
  optionRefused: 8,
} as const;

/** Port 69's requests fit one Ethernet frame; RFC 2347 asks for 512 bytes, GRUB's long paths need more. */
export const requestLimitBytes = 1472;

/** Block size where none is negotiated (RFC 1350). */
export const defaultBlockBytes = 512;

/** As on the wire: in the client's order and spelling. */
export type TftpOption = { name: string; value: string };

export type ReadRequest = { kind: "rrq"; path: string; mode: string; options: readonly TftpOption[] };

export type TftpPacket =
  | ReadRequest
  | { kind: "wrq"; path: string; mode: string; options: readonly TftpOption[] }
  /** `block` is the 16-bit number of the wire. */
  | { kind: "data"; block: number; data: Uint8Array }
  | { kind: "ack"; block: number }
  | { kind: "error"; code: number; message: string }
  | { kind: "oack"; options: readonly TftpOption[] };
