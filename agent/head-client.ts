import type { Agent as HttpAgent, ClientRequest, IncomingMessage } from "node:http";

// Not by `import`, which reads every export of node:http and with WebSocket loads all of undici: 57 ms in place of 5 on a
// desktop processor, and ten times that on an emulated one. For the same reason this is no fetch.
const { Agent, request } = process.getBuiltinModule("node:http");

/** The head as an agent reaches it: one kept connection, no redirects, no bodies in answers. */
export type HeadClient = {
  /**
   * Posts JSON below the node's URL. Rejects when there is no answer within `limitMs`, the connection fails or `signal`
   * aborts. Sent a second time when a kept connection turns out to be closed:
   * every request of the contract may be repeated.
   */
  post: (path: string, secret: string, body: object, options?: PostOptions) => Promise<Answer>;
  close: () => void;
};

/** `newConnection`: this was the first request of its connection, so the head may be another than that of the request before. */
export type Answer = { status: number; newConnection: boolean };

type PostOptions = { limitMs?: number; signal?: AbortSignal };

/** Well under the time after which a silent node counts as lost, so that a stalled request leaves room for another. */
const defaultLimitMs = 3000;

export function connectHead(url: string): HeadClient {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 1 });
  const base = url.replace(/\/+$/, "");
  return {
    post: async (path, secret, body, options = {}) => {
      const send = (): Promise<Answer> =>
        postOnce(agent, `${base}${path}`, secret, JSON.stringify(body), options);
      try {
        return await send();
      } catch (error) {
        if (error instanceof StaleConnection) return await send();
        throw error;
      }
    },
    close: () => agent.destroy(),
  };
}

/** The head closed a kept connection, by its idle limit or because it was restarted, before it saw the request. */
class StaleConnection extends Error {}

function postOnce(
  agent: HttpAgent,
  url: string,
  secret: string,
  body: string,
  { limitMs = defaultLimitMs, signal }: PostOptions,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request(url, {
    agent,
    method: "POST",
    headers: {
      Authorization: `Bearer ${secret}`,
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body),
    },
    ...(signal === undefined ? {} : { signal }),
  });
  const limit = setTimeout(() => outgoing.destroy(new Error(`no answer within ${limitMs} ms`)), limitMs);
  outgoing.on("error", (error) =>
    reject(wasStale(outgoing, error) ? new StaleConnection(error.message) : error),
  );
  outgoing.on("close", () => {
    clearTimeout(limit);
    reject(new Error("the head closed the connection without an answer"));
  });
  outgoing.on("response", (answer: IncomingMessage) => {
    answer.on("error", reject);
    answer.on("end", () =>
      resolve({ status: answer.statusCode ?? 0, newConnection: !outgoing.reusedSocket }),
    );
    answer.resume();
  });
  outgoing.end(body);
  return promise;
}

function wasStale(outgoing: ClientRequest, error: NodeJS.ErrnoException): boolean {
  return outgoing.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
}
