/** What the server needs of a UDP socket; node:dgram's has it, and a wire in memory can. */
export type DhcpSocket = {
  on: ((event: "message", listener: (bytes: Uint8Array) => void) => unknown) &
    ((event: "error", listener: (error: Error) => void) => unknown);
  send: (bytes: Uint8Array, port: number, address: string, done: (error: Error | null) => void) => void;
  close: () => unknown;
};
