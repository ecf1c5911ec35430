import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { Log } from "../lib/log.ts";
import type { HeadClient } from "./client.ts";
import { chooseConfigFile, labDirectory } from "./config-file.ts";
import { withHead } from "./head.ts";
import { type ColorChoice, createTerminal, type Streams, type Terminal } from "./terminal.ts";

/** What the process gives a command; only main.ts takes it from the process. */
export type Surroundings = {
  streams: Streams;
  env: Readonly<Record<string, string | undefined>>;
  /** Root of the checkout: images, package.json. */
  checkout: string;
  /** Aborted by Ctrl-C. Asking for it takes Ctrl-C over: whoever does so has to end soon after. */
  interrupt: () => AbortSignal;
  setExitStatus: (status: number) => void;
};

/** Flags that commands share; which of them a command has is said in `define.ts`. */
export type SharedOptions = { config?: string; color?: ColorChoice; json?: boolean; dryRun?: boolean };

/** One run of one command. */
export class Run<Options = object> {
  readonly options: Options & SharedOptions;
  readonly terminal: Terminal;
  readonly surroundings: Surroundings;
  #configFile: string | undefined;

  constructor(surroundings: Surroundings, options: Options & SharedOptions) {
    const noColor = (surroundings.env["NO_COLOR"] ?? "") !== "";
    this.surroundings = surroundings;
    this.options = options;
    this.terminal = createTerminal(surroundings.streams, options.color ?? "auto", noColor);
  }

  /** The configuration's file; says so where it is a lab's. */
  configFile(): string {
    if (this.#configFile === undefined) {
      const { file, lab } = chooseConfigFile(this.options.config, this.surroundings.env["PROVISION_CONFIG"]);
      if (lab) this.terminal.err(`provision: using the lab's head (${labDirectory})`);
      this.#configFile = file;
    }
    return this.#configFile;
  }

  config(): Config {
    return loadConfig(this.configFile());
  }

  /** Asks the running head, or the store where no head runs. */
  head<T>(ask: (head: HeadClient) => Promise<T>): Promise<T> {
    const config = this.config();
    return withHead(config, { signal: this.surroundings.interrupt(), log: this.log() }, ask);
  }

  /** Warnings and errors of parts that a command uses go to standard error, everything only for debugging. */
  log(): Log {
    const write = (level: string) => (fields: object, message: string) => {
      const facts = Object.keys(fields).length === 0 ? "" : ` ${JSON.stringify(fields)}`;
      this.terminal.err(`provision: ${level}: ${message}${facts}`);
    };
    const ignore = (): undefined => undefined;
    const debug = this.surroundings.env["PROVISION_DEBUG"] === "1";
    return {
      debug: debug ? write("debug") : ignore,
      info: debug ? write("info") : ignore,
      warn: write("warning"),
      error: write("error"),
    };
  }

  json(answer: unknown): void {
    this.terminal.out(JSON.stringify(answer, undefined, 2));
  }
}
