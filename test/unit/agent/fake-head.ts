import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Received = { path: string; secret: string; body: Record<string, unknown> };

/** A status, or what goes wrong: `cut` closes the connection with the request taken and no answer; `hang` says nothing. */
export type Reply = number | "cut" | "hang";

/** A head of the contract's three routes, as a real server on a port of its own. */
export class FakeHead {
  readonly received: Received[] = [];
  /** Connections accepted so far. */
  connections = 0;
  reply: (request: Received) => Reply = () => 204;
  #server: Server | undefined;
  #port = 0;
  #waiting: (() => void)[] = [];

  get url(): string {
    return `http://127.0.0.1:${this.#port}/node/n001`;
  }

  /** On the port it had before, if it had one. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const received = {
          path: `${request.method} ${(request.url ?? "").replace("/node/n001", "")}`,
          secret: (request.headers.authorization ?? "").replace("Bearer ", ""),
          body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>,
        };
        this.received.push(received);
        answer(response, this.reply(received));
        for (const wake of this.#waiting.splice(0)) wake();
      });
    });
    server.on("connection", () => (this.connections += 1));
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** As a killed head: every connection is gone, the port is closed. */
  async stop(): Promise<void> {
    if (this.#server === undefined) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    this.#server = undefined;
    await closed;
  }

  /** Waits until what was received is as wanted. */
  async until(wanted: (received: readonly Received[]) => boolean): Promise<void> {
    while (!wanted(this.received)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await promise;
    }
  }

  paths(): readonly string[] {
    return this.received.map(({ path }) => path);
  }
}

function answer(response: ServerResponse, reply: Reply): void {
  if (reply === "hang") return;
  if (reply === "cut") response.destroy();
  else response.writeHead(reply).end();
}
