import type { Response } from "express";
import type { EventAnswer } from "../model/answers.ts";

/** Where events come from as they happen. @returns the way out. */
export type EventSource = {
  subscribe: (listener: (event: EventAnswer, nodeId: number | undefined) => void) => () => void;
};

/** A comment this often keeps the connection from looking dead. */
const keepAliveMs = 15_000;
/** A reader that has not taken this much in is cut off: the head does not keep its events for it. */
const backlogBytes = 1_048_576;

/** Server-sent events (WHATWG HTML, section 9.2) until the reader goes away; of these nodes only when `nodeIds` is given. */
export function streamEvents(source: EventSource, response: Response, nodeIds?: readonly number[]): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.flushHeaders();
  const wanted = nodeIds === undefined ? undefined : new Set(nodeIds);
  const leave = source.subscribe((event, nodeId) => {
    if (wanted !== undefined && (nodeId === undefined || !wanted.has(nodeId))) return;
    response.write(`id: ${event.sequence}\ndata: ${JSON.stringify(event)}\n\n`);
    if (response.writableLength > backlogBytes) response.destroy();
  });
  const timer = setInterval(() => response.write(":\n\n"), keepAliveMs);
  response.once("close", () => {
    leave();
    clearInterval(timer);
  });
}
