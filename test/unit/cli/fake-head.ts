import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { text } from "node:stream/consumers";

/** The API of a head, as far as a test needs it: an answer for each `METHOD /path`, with a status other than 200 if told. */
export type Answers = Readonly<Record<string, unknown>>;

export type Request = { method: string; url: string; body: unknown };

export type FakeHead = { directory: string; config: string; socket: string; requests: Request[] };

/** As scripts/provision has it, but for this run of the tests: every command starts in half the time. */
const compileCache = mkdtempSync(join(tmpdir(), "provision-cache-"));
process.on("exit", () => rmSync(compileCache, { recursive: true, force: true }));

const main = resolve(import.meta.dirname, "../../../server/cli/main.ts");

/** A refusal with its status, as the head gives it. */
export function problem(status: number, answer: object): object {
  return { status, answer };
}

/** A directory with a configuration whose socket lies beside it; nobody listens there yet. */
export function headDirectory(context: TestContext): FakeHead {
  const directory = mkdtempSync(join(tmpdir(), "provision-cli-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const config = join(directory, "provision.yaml");
  const socket = join(directory, "api.sock");
  writeFileSync(config, configText(directory));
  return { directory, config, socket, requests: [] };
}

function configText(directory: string): string {
  return `interface: eth9
address: 10.9.0.1
subnet: 10.9.0.0/24
pool: 10.9.0.200-10.9.0.250
socket: ${directory}/api.sock
stateDirectory: ${directory}/state
imageStore: ${directory}/images
sharedDirectory: ${directory}/shared
`;
}

/** A head that gives these answers until the test ends. */
export async function fakeHead(context: TestContext, answers: Answers): Promise<FakeHead> {
  const head = headDirectory(context);
  const server = http.createServer((request, response) => void answer(head, answers, request, response));
  server.listen(head.socket);
  await once(server, "listening");
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return head;
}

async function answer(
  head: FakeHead,
  answers: Answers,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const { method = "", url = "" } = request;
  const body = await text(request);
  head.requests.push({ method, url, body: body === "" ? undefined : JSON.parse(body) });
  const found = answers[`${method} ${url}`] ?? answers[`${method} ${url.split("?")[0]}`];
  if (typeof found === "function") {
    (found as (response: http.ServerResponse) => void)(response);
    return;
  }
  const refusal = found as { status: number; answer: unknown } | undefined;
  const [status, content] =
    found === undefined
      ? [404, { code: "not-found", message: `fake head: no answer for ${method} ${url}`, faults: [] }]
      : typeof refusal?.status === "number"
        ? [refusal.status, refusal.answer]
        : [200, found];
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(content));
}

export type Outcome = { status: number | null; signal: string | null; stdout: string; stderr: string };

export type RunOptions = {
  env?: Readonly<Record<string, string>>;
  /** Keep to the modes of files, even as root. */
  confined?: boolean;
  cwd?: string;
  /** Sent when standard output or error has this text. */
  interruptAt?: string;
};

/** Runs the real command line, without a terminal. */
export async function provision(words: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const command = [process.execPath, "--disable-warning=ExperimentalWarning", main, ...words];
  const [file = "", ...args] = options.confined === true ? [...keepingToModes(), ...command] : command;
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: options.cwd,
    env: { PATH: process.env["PATH"] ?? "", TZ: "UTC", NODE_COMPILE_CACHE: compileCache, ...options.env },
  });
  let stdout = "";
  let stderr = "";
  let interrupted = options.interruptAt === undefined;
  const interrupt = (): void => {
    if (interrupted || !(stdout + stderr).includes(options.interruptAt ?? "")) return;
    interrupted = true; // a second one would end it at once
    child.kill("SIGINT");
  };
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    interrupt();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    interrupt();
  });
  const [status, signal] = (await once(child, "close")) as [number | null, string | null];
  return { status, signal, stdout, stderr };
}

/** setpriv(1) takes from root what lets it pass over modes (capabilities(7)); others never have it. */
function keepingToModes(): readonly string[] {
  if (process.getuid?.() !== 0) return [];
  return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"];
}
