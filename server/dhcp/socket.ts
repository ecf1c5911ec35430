import type { RemoteInfo } from "node:dgram";

/** What the server needs of a UDP socket; node:dgram's has it. */
export type DhcpSocket = {
  on: ((event: "message", listener: (bytes: Uint8Array, from: RemoteInfo) => void) => unknown) &
    ((event: "error", listener: (error: Error) => void) => unknown);
  send: (bytes: Uint8Array, port: number, address: string, done: (error: Error | null) => void) => void;
  close: () => unknown;
};
