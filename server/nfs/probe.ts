import { randomInt } from "node:crypto";
import net from "node:net";
import { errnoOf, messageOf } from "../lib/errors.ts";
import {
  decodeNullReply,
  decodeWalkReply,
  encodeNullCall,
  encodeWalkCall,
  pathComponents,
  replyBytes,
  statusName,
} from "./rpc.ts";

/** What a question to the server gave; `message` says why it failed. */
export type Answer = { ok: true } | { ok: false; message: string };

export type Probe = {
  /** Does the server answer at all? */
  alive: () => Promise<Answer>;
  /** Does it serve this directory to the head itself? */
  serves: (path: string) => Promise<Answer>;
};

/** How long a server may take to answer before it counts as unresponsive. */
const answerTimeoutMs = 5000;

/** Questions to the NFS server at an address. They never throw. */
export function createProbe(place: { address: string; port: number; timeoutMs?: number }): Probe {
  return {
    alive: () =>
      answer(async () => {
        const xid = randomInt(2 ** 32);
        decodeNullReply(await exchange(place, encodeNullCall(xid), undefined), xid);
        return undefined;
      }),
    serves: (path) =>
      answer(async () => {
        const xid = randomInt(2 ** 32);
        const walk = decodeWalkReply(await fromReservedPort(place, encodeWalkCall(xid, path)), xid);
        if (walk.status === 0) return undefined;
        const reached = pathComponents(path).slice(0, walk.found + 1);
        return `/${reached.join("/")}: ${statusName(walk.status)}`;
      }),
  };
}

async function answer(ask: () => Promise<string | undefined>): Promise<Answer> {
  try {
    const message = await ask();
    return message === undefined ? { ok: true } : { ok: false, message };
  } catch (error) {
    return { ok: false, message: messageOf(error) };
  }
}

type Place = { address: string; port: number; timeoutMs?: number };

/** The exports are open to reserved ports only, so that no mere user of a node can claim to be another. */
async function fromReservedPort(place: Place, call: Uint8Array): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await exchange(place, call, randomInt(512, 1024));
    } catch (error) {
      const taken = ["EADDRINUSE", "EADDRNOTAVAIL"].includes(errnoOf(error) ?? "");
      if (!taken || attempt === 8) throw error;
    }
  }
}

function exchange(place: Place, call: Uint8Array, localPort: number | undefined): Promise<Uint8Array> {
  const timeoutMs = place.timeoutMs ?? answerTimeoutMs;
  return new Promise((resolve, reject) => {
    const socket = net.connect({
      host: place.address,
      port: place.port,
      ...(localPort === undefined ? {} : { localPort, localAddress: place.address }),
    });
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    let received = Buffer.alloc(0);
    socket.on("connect", () => socket.write(call));
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("the connection was closed without an answer")));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      try {
        const length = replyBytes(received);
        if (length === undefined || received.length < length) return;
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      clearTimeout(timer);
      resolve(received);
      socket.end();
      socket.resume();
    });
  });
}
