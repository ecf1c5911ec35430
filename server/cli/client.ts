import http from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { AppError, errnoOf, type ErrorCode, exitStatusOf, type Fault } from "../lib/errors.ts";
import type * as api from "../model/answers.ts";
import { socketProblem } from "./problem.ts";

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** A head that says nothing for so long has hung; adding thousands of nodes takes it seconds. */
const silenceMs = 120_000;

/** The head's API over its unix socket. Answers are trusted: the socket is our own head's. */
export class HeadClient {
  readonly #socket: string;
  readonly #signal: AbortSignal;

  constructor(socket: string, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
  }

  status(): Promise<api.StatusAnswer> {
    return this.#ask("GET", "/api/status");
  }

  nodes(range?: string): Promise<api.NodesAnswer> {
    return this.#ask("GET", `/api/nodes${query({ range })}`);
  }

  /** What lists show of them: for 100,000 nodes that is seconds less. */
  briefNodes(range?: string): Promise<api.BriefNodesAnswer> {
    return this.#ask("GET", `/api/nodes${query({ range, brief: "1" })}`);
  }

  addNodes(request: api.AddNodesRequest): Promise<api.ChangeAnswer> {
    return this.#ask("POST", "/api/nodes", request);
  }

  setNodes(request: api.SetNodesRequest): Promise<api.ChangeAnswer> {
    return this.#ask("PATCH", "/api/nodes", request);
  }

  removeNodes(request: api.RemoveNodesRequest): Promise<api.ChangeAnswer> {
    return this.#ask("DELETE", "/api/nodes", request);
  }

  groups(): Promise<api.GroupsAnswer> {
    return this.#ask("GET", "/api/groups");
  }

  addGroup(request: api.SetGroupRequest): Promise<api.ChangeAnswer> {
    return this.#ask("POST", "/api/groups", request);
  }

  setGroup(request: api.SetGroupRequest): Promise<api.ChangeAnswer> {
    return this.#ask("PATCH", "/api/groups", request);
  }

  removeGroup(request: { name: string; dryRun?: boolean }): Promise<api.ChangeAnswer> {
    return this.#ask("DELETE", "/api/groups", request);
  }

  leases(): Promise<api.LeasesAnswer> {
    return this.#ask("GET", "/api/leases");
  }

  discovered(): Promise<api.DiscoveredAnswer> {
    return this.#ask("GET", "/api/discovered");
  }

  images(): Promise<api.ImagesAnswer> {
    return this.#ask("GET", "/api/images");
  }

  events(range: string | undefined, limit: number): Promise<api.EventsAnswer> {
    return this.#ask("GET", `/api/events${query({ range, limit: String(limit) })}`);
  }

  why(subject: string): Promise<api.WhyAnswer> {
    return this.#ask("GET", `/api/why/${encodeURIComponent(subject)}`);
  }

  render(node: string): Promise<api.RenderAnswer> {
    return this.#ask("GET", `/api/render/${encodeURIComponent(node)}`);
  }

  /** For a twin of the head; the file is the caller's to take away. */
  snapshot(): Promise<api.SnapshotAnswer> {
    return this.#ask("POST", "/api/snapshot");
  }

  /** Events as they happen, from the moment this resolves; ends when the head stops. */
  async follow(range: string | undefined): Promise<AsyncIterable<api.EventAnswer>> {
    const path = `/api/events/stream${query({ range })}`;
    const response = await this.#send("GET", path, undefined, this.#signal);
    if (!isSuccess(response)) throw problemOf(response, await textOf(response));
    return eventsOf(response);
  }

  async #ask<T>(method: Method, path: string, body?: object): Promise<T> {
    const timeout = AbortSignal.timeout(silenceMs);
    try {
      const response = await this.#send(method, path, body, AbortSignal.any([this.#signal, timeout]));
      const answer = await textOf(response);
      if (!isSuccess(response)) throw problemOf(response, answer);
      return JSON.parse(answer) as T;
    } catch (error) {
      if (!timeout.aborted || this.#signal.aborted) throw error;
      throw new AppError("unavailable", `the head did not answer within ${silenceMs / 1000} s`, {
        cause: error,
      });
    }
  }

  #send(
    method: Method,
    path: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<http.IncomingMessage> {
    const json = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      json === undefined
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(json) };
    return new Promise((resolve, reject) => {
      const request = http.request({ socketPath: this.#socket, method, path, headers, signal }, resolve);
      request.on("error", (error) => {
        reject(signal.aborted ? error : (socketProblem(error, this.#socket) ?? headGone(error)));
      });
      request.end(json);
    });
  }
}

/** True when a head listens on the socket. @throws AppError("forbidden") when it may not be asked. */
export function headListens(socket: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    connection.on("connect", () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", (error) => {
      const problem = socketProblem(error, socket);
      if (problem === undefined) resolve(false);
      else reject(problem);
    });
  });
}

function headGone(cause: unknown): AppError {
  return new AppError("unavailable", "the head has just stopped", { hint: "provision status", cause });
}

function query(values: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
}

function isSuccess(response: http.IncomingMessage): boolean {
  return response.statusCode !== undefined && response.statusCode < 300;
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  try {
    return await text(response);
  } catch (error) {
    throw wasCut(error) ? headGone(error) : error;
  }
}

/** The head ended, or was killed, before its answer did. */
function wasCut(error: unknown): boolean {
  return errnoOf(error) === "ECONNRESET";
}

function problemOf(response: http.IncomingMessage, body: string): AppError {
  const answer = parseProblem(body);
  const code = answer?.code;
  if (answer?.message === undefined || code === undefined || !Object.hasOwn(exitStatusOf, code)) {
    return new AppError(
      "internal",
      `the head answered with status ${response.statusCode}: ${body.slice(0, 200)}`,
    );
  }
  const faults: readonly Fault[] = answer.faults ?? [];
  return new AppError(code as ErrorCode, answer.message, {
    faults,
    ...(answer.hint === undefined ? {} : { hint: answer.hint }),
  });
}

function parseProblem(body: string): Partial<api.ProblemAnswer> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The `data:` lines of server-sent events (WHATWG HTML, section 9.2); ours carry one line each. */
async function* eventsOf(response: http.IncomingMessage): AsyncGenerator<api.EventAnswer> {
  try {
    for await (const line of createInterface({ input: response })) {
      if (line.startsWith("data:")) yield JSON.parse(line.slice("data:".length)) as api.EventAnswer;
    }
  } catch (error) {
    if (!wasCut(error)) throw error; // being killed is one way for a head to stop
  }
}
