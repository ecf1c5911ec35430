import type { IncomingMessage, ServerResponse } from "node:http";
import type { OpenFile } from "./open-file.ts";
import { isSettled, type Representation, select } from "./selection.ts";
import type { Transfers } from "./transfers.ts";

/**
 * Answers to machines, written with as little between as Node allows. Lengths are exact always: firmware reads no chunked
 * encoding, and shows a progress that it makes of them.
 */

/** A short text, for a loader to run or a person at a console to read. */
export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: readonly string[] = [],
): void {
  const bytes = Buffer.byteLength(text);
  response.writeHead(status, [
    "Content-Type",
    "text/plain; charset=utf-8",
    "Content-Length",
    String(bytes),
    "Cache-Control",
    "no-store",
    ...headers,
  ]);
  // A HEAD's answer takes no body: node:http leaves it out. Plain ASCII goes out without being encoded.
  response.end(text, bytes === text.length ? "latin1" : "utf8");
}

export type FileSending = {
  transfers: Transfers;
  nowMs: number;
  /** A piece has been taken. */
  onProgress?: () => void;
  /** All of it has gone out, or what was missing of it: `bytes` of them. */
  onSent: (bytes: number) => void;
};

/** A file by GET or HEAD: conditions, ranges, or the whole (RFC 9110 sections 13 and 14). Closes it. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: OpenFile,
  sending: FileSending,
): void {
  const method = request.method === "HEAD" ? "HEAD" : "GET";
  const selection = select(method, request.headers, file, sending.nowMs);
  const validators = validatorsOf(file, sending.nowMs);
  if (selection.status === 200 || selection.status === 206) {
    const { status, from, to } = selection;
    const range = status === 206 ? ["Content-Range", `bytes ${from}-${to - 1}/${file.sizeBytes}`] : [];
    writeFileHead(response, status, to - from, [...validators, ...range]);
    if (method === "GET") {
      // A download that was broken off and goes on where it was ends here as well: it asked for all the rest.
      const ends = status === 200 || (from > 0 && /-\s*$/.test(request.headers.range ?? ""));
      if (ends) response.once("finish", () => sending.onSent(to - from));
      if (to > from) {
        const { onProgress } = sending;
        sending.transfers.send(response, file, {
          from,
          to,
          ...(onProgress === undefined ? {} : { onProgress }),
        });
        return;
      }
    }
    response.end();
  } else if (selection.status === 304) {
    response.writeHead(304, validators);
    response.end();
  } else if (selection.status === 416) {
    const said = `the file has ${file.sizeBytes} bytes: ask for a range inside it\n`;
    sendText(response, 416, said, ["Content-Range", `bytes */${file.sizeBytes}`]);
  } else {
    sendText(
      response,
      412,
      "the file is another version than the one asked for: fetch it whole\n",
      validators,
    );
  }
  file.close();
}

/** What is made for this request alone: it has no version, and no range of it means anything. */
export function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  file: Pick<OpenFile, "take" | "close" | "sizeBytes">,
  { transfers, onProgress, onSent }: FileSending,
): void {
  const bytes = file.sizeBytes;
  writeFileHead(response, 200, bytes, ["Accept-Ranges", "none", "Cache-Control", "no-store"]);
  if (request.method === "HEAD" || bytes === 0) {
    response.end();
    return;
  }
  response.once("finish", () => onSent(bytes));
  transfers.send(response, file, { from: 0, to: bytes, ...(onProgress === undefined ? {} : { onProgress }) });
}

function writeFileHead(
  response: ServerResponse,
  status: number,
  bytes: number,
  more: readonly string[],
): void {
  response.writeHead(status, [
    "Content-Type",
    "application/octet-stream",
    "Content-Length",
    String(bytes),
    ...more,
  ]);
}

function validatorsOf(given: Representation, nowMs: number): string[] {
  const date = new Date(given.modifiedAtMs).toUTCString();
  const modified = isSettled(given, nowMs) ? ["Last-Modified", date] : [];
  return ["Accept-Ranges", "bytes", "ETag", given.etag, ...modified];
}
