import {
  BootFailure,
  http,
  type HttpReply,
  type Machine,
  note,
  pause,
  phase,
  type Walk,
  type WalkPhase,
} from "./effects.ts";
import { type Command, parseScript, readFetch, type Script } from "./ipxe-script.ts";

/** What the loader hands to the kernel. */
export type Loaded = {
  kernel: { url: string; bytes: number };
  commandLine: string;
  initrds: readonly LoadedFile[];
};

/** `content`: only of the overlay, which is read. */
export type LoadedFile = { name: string; url: string; bytes: number; content: Uint8Array };

const headers = { "User-Agent": "iPXE/1.21.1", Connection: "keep-alive" };

/** Steps of scripts without a file fetched, and files fetched without a moment slept: they will never end. */
const idleStepLimit = 10_000;
const fetchLimit = 200;

/** Fetches the boot script and does what it says, and what the scripts say that it leads to. */
export function* runScripts(machine: Machine, firstUrl: string): Walk<Loaded> {
  const run = new ScriptRun(machine);
  let url = firstUrl;
  yield* phase("script");
  let text = yield* fetchScript(url);
  for (;;) {
    const outcome = yield* run.script(text);
    if (outcome.kind === "boot") return outcome.loaded;
    url = outcome.url;
    text = outcome.text;
  }
}

type Outcome = { kind: "boot"; loaded: Loaded } | { kind: "replaced"; url: string; text: string };

type Step = "ok" | "failed" | { goto: string } | Outcome;

class ScriptRun {
  readonly #machine: Machine;
  #sleptMs = 0;
  #kernel: (Loaded["kernel"] & { args: string }) | undefined;
  #initrds: LoadedFile[] = [];
  /** What the script said since it last slept, and the last thing that went wrong. */
  #echoes: string[] = [];
  #lastFailure: BootFailure | undefined;
  #idleSteps = 0;
  #fetches = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  *script(text: string): Walk<Outcome> {
    const script = parseScript(text);
    this.#echoes = [];
    let at = 0;
    while (at < script.lines.length) {
      this.#countStep();
      const step = yield* this.#line(script, at);
      if (step === "failed") throw this.#stopped(script, at);
      if (step === "ok") at += 1;
      else if ("goto" in step) at = labelled(script, step.goto, at);
      else return step;
    }
    throw new BootFailure(
      "the boot script ends without booting: the machine would fall back to its firmware",
    );
  }

  *#line(script: Script, at: number): Walk<Step> {
    let last: Step = "ok";
    for (const command of script.lines[at]?.commands ?? []) {
      if (command.when === "&&" && last !== "ok") continue;
      if (command.when === "||" && last !== "failed") continue;
      last = yield* this.#command(command);
      if (last !== "ok" && last !== "failed") return last;
    }
    return last;
  }

  *#command({ words }: Command): Walk<Step> {
    const [name = "", ...rest] = words;
    switch (name) {
      case "echo": {
        if (rest.length > 0) this.#echoes.push(rest.join(" "));
        return "ok";
      }
      case "goto":
        return { goto: rest[0] ?? "" };
      case "sleep":
        return yield* this.#sleep(Number(rest[0]));
      case "imgfree": {
        this.#kernel = undefined;
        this.#initrds = [];
        return "ok";
      }
      case "boot":
        return this.#boot();
      default:
        return yield* this.#fetch(name, words);
    }
  }

  *#sleep(seconds: number): Walk<Step> {
    if (this.#sleptMs + seconds * 1000 > this.#machine.patienceMs) throw this.#impatient();
    this.#sleptMs += seconds * 1000;
    if (seconds > 0) this.#idleSteps = this.#fetches = 0;
    yield* note(`told to wait ${seconds} s: ${this.#echoes.join(" ")}`);
    this.#echoes = [];
    yield* pause(seconds * 1000, "told");
    return "ok";
  }

  /** A failure is what `||` is for, unless this machine is to stop at the first. */
  *#fetch(name: string, words: readonly string[]): Walk<Step> {
    this.#idleSteps = 0;
    this.#fetches += 1;
    if (this.#fetches > fetchLimit) throw roundInCircles();
    try {
      return yield* this.#fetched(name, words);
    } catch (error) {
      if (!(error instanceof BootFailure) || this.#machine.firstFailureEnds) throw error;
      this.#lastFailure = error;
      yield* note(error.message);
      return "failed";
    }
  }

  *#fetched(command: string, words: readonly string[]): Walk<Step> {
    const { name = "", url, rest } = readFetch(words);
    if (command === "chain") {
      yield* phase("script");
      return { kind: "replaced", url, text: yield* fetchScript(url) };
    }
    const fileName = name === "" ? url.slice(url.lastIndexOf("/") + 1) : name;
    if (command === "kernel") {
      yield* phase("kernel");
      const reply = yield* fetchFile(this.#machine, url, "count");
      this.#kernel = { url, bytes: reply.lengthBytes ?? reply.bytes, args: rest.join(" ") };
      return "ok";
    }
    const step: WalkPhase = fileName.startsWith("overlay") ? "overlay" : "initrd";
    yield* phase(step);
    const reply = yield* fetchFile(this.#machine, url, step === "overlay" ? "bytes" : "count");
    const bytes = reply.lengthBytes ?? reply.bytes;
    this.#initrds.push({ name: fileName, url, bytes, content: reply.body });
    return "ok";
  }

  #boot(): Step {
    const kernel = this.#kernel;
    if (kernel === undefined) throw new BootFailure("the boot script boots without having loaded a kernel");
    const loaded = { kernel, commandLine: kernel.args, initrds: this.#initrds };
    return { kind: "boot", loaded };
  }

  #countStep(): void {
    this.#idleSteps += 1;
    if (this.#idleSteps > idleStepLimit) throw roundInCircles();
  }

  #stopped(script: Script, at: number): BootFailure {
    const { line, text } = script.lines[at] ?? { line: 0, text: "" };
    const why = this.#lastFailure === undefined ? "" : `: ${this.#lastFailure.message}`;
    return new BootFailure(
      `the boot script stops at line ${line}, \`${text}\`${why}`,
      this.#lastFailure?.hint,
    );
  }

  #impatient(): BootFailure {
    const slept = `it has waited for ${Math.round(this.#sleptMs / 1000)} s as the head's scripts say`;
    if (this.#lastFailure !== undefined) {
      return new BootFailure(`${this.#lastFailure.message} (${slept})`, this.#lastFailure.hint);
    }
    return new BootFailure(`${this.#echoes.join(" ") || "told to wait"} (${slept}, and would go on)`);
  }
}

function roundInCircles(): BootFailure {
  return new BootFailure("the boot script goes round in circles");
}

function labelled(script: Script, label: string, at: number): number {
  const target = script.labels.get(label);
  if (target !== undefined) return target;
  throw new BootFailure(
    `line ${script.lines[at]?.line ?? 0} of the boot script: there is no label :${label}`,
  );
}

function* fetchScript(url: string): Walk<string> {
  const reply = yield* http({ method: "GET", url, headers, want: "text" });
  checkReply(url, reply);
  return Buffer.from(reply.body).toString("utf8");
}

function* fetchFile(machine: Machine, url: string, want: "count" | "bytes"): Walk<HttpReply> {
  // The overlay is fetched in any case: the node's token is in it.
  const method = machine.files || want === "bytes" ? "GET" : "HEAD";
  const reply = yield* http({ method, url, headers, want });
  checkReply(url, reply);
  return reply;
}

/** Only a whole 200 will do: a loader can do nothing with anything else. */
export function checkReply(url: string, { status, body, bytes, lengthBytes }: HttpReply): void {
  if (status !== 200) {
    const said = Buffer.from(body).toString("utf8").trim().slice(0, 300);
    throw new BootFailure(`${url}: HTTP status ${status}${said === "" ? "" : `: ${said}`}`);
  }
  if (bytes > 0 && lengthBytes !== undefined && lengthBytes !== bytes) {
    throw new BootFailure(`${url}: ${bytes} bytes came of ${lengthBytes}`);
  }
}
