import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Beyond those that are served, so many more are told so; any further one is dropped by Node itself. */
const toldConnections = 1024;

/** Bounds the connections of several servers together. */
export class ConnectionGate {
  readonly #limit: number;
  readonly #excess = new WeakSet<Socket>();
  readonly #counters = { connections: 0, turnedAway: 0 };

  constructor(limit: number) {
    this.#limit = limit;
  }

  counters(): { connections: number; turnedAway: number } {
    return { ...this.#counters };
  }

  watch(server: Server): void {
    server.maxConnections = this.#limit + toldConnections;
    server.on("connection", (socket: Socket) => {
      this.#counters.connections += 1;
      if (this.#counters.connections > this.#limit) {
        this.#counters.turnedAway += 1;
        this.#excess.add(socket);
      }
      socket.once("close", () => (this.#counters.connections -= 1));
    });
    server.on("drop", () => (this.#counters.turnedAway += 1));
  }

  /** True for a connection that came when there were as many as are served. It is answered, and closed. */
  isExcess(socket: Socket): boolean {
    return this.#excess.has(socket);
  }
}
